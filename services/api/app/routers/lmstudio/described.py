"""What LM Studio's clients are told of a model: v0's entry, v1's entry, what answered."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.domain.refusals import ModelNotFound

Json = dict[str, Any]
Model = Mapping[str, Any]
"""One of `Reading.described_models`."""

V0_TYPES: Mapping[str, str] = {"generate": "llm", "embed": "embeddings"}
V1_TYPES: Mapping[str, str] = {"generate": "llm", "embed": "embedding"}
"""A model's task as its type. Both lists leave rerankers out: LM Studio has no route for them."""

_NUMBER = re.compile(r"\d+")
_UNITS = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "K"))


def named(models: Iterable[Model], name: str) -> Model | None:
    """The model that a request means by `name`: an id, or else an alias."""
    models = list(models)
    by_id = (model for model in models if model["id"] == name)
    return next(by_id, None) or next((m for m in models if name in m["aliases"]), None)


def known(models: Iterable[Model], name: str, *, param: str = "model") -> Model:
    """As `named`. Raises ModelNotFound."""
    model = named(models, name)
    if model is None:
        raise ModelNotFound(
            f"The model {name[:200]!r} does not exist; GET /api/v1/models lists those that do.",
            param=param,
        )
    return model


def listed(models: Iterable[Model]) -> list[Model]:
    """Those that LM Studio's routes can ask for something."""
    return [model for model in models if model["task"] in V0_TYPES]


def v0_entry(model: Model) -> Json:
    sees = model["capabilities"]["vision"]
    entry = {
        "id": model["id"],
        "object": "model",
        "type": "vlm" if sees else V0_TYPES[model["task"]],
        "publisher": model["publisher"],
        "arch": model["architecture"],
        "compatibility_type": model["format"],
        "quantization": model["quantization"] or None,
        "state": "loaded" if model["loaded"] else "not-loaded",
        "max_context_length": model["max_context"],
    }
    if model["loaded"]:
        entry["loaded_context_length"] = model["context"]
    if model["capabilities"]["tools"]:
        entry["capabilities"] = ["tool_use"]
    return entry


def v1_entry(model: Model) -> Json:
    """What is never known here is absent: a description, variants, a default of reasoning."""
    generates = model["task"] == "generate"
    about = {"architecture": model["architecture"], "capabilities": _abilities(model)}
    return {
        "type": V1_TYPES[model["task"]],
        "publisher": model["publisher"],
        "key": model["id"],
        "display_name": model["display_name"],
        "quantization": _quantization(model["quantization"]),
        "size_bytes": model["size_bytes"],
        "params_string": params_string(model["parameters"]),
        "loaded_instances": [_instance(model)] if model["loaded"] else [],
        "max_context_length": model["max_context"],
        "format": model["format"],
        **(about if generates else {}),
    }


def load_config(model: Model) -> Json:
    """The terms a model is loaded on: those two that a load decides."""
    return {"context_length": model["context"], "parallel": model["slots"]}


def model_info(model: Model) -> Json:
    """What answered, as v0 tells it beside an answer."""
    return {
        "arch": model["architecture"],
        "quant": model["quantization"] or None,
        "format": model["format"],
        "context_length": model["context"],
    }


def runtime(model: Model, version: str) -> Json:
    name = f"lmx-{model['format']}"
    return {"name": name, "version": version, "supported_formats": [model["format"]]}


def params_string(parameters: int) -> str | None:
    """`1_500_000_000` as ``1.5B``; None where nobody counted them."""
    if not parameters:
        return None
    size, unit = next(((size, unit) for size, unit in _UNITS if parameters >= size), (1, ""))
    return f"{parameters / size:.3g}{unit}"


def _instance(model: Model) -> Json:
    """One model is one instance, and has its id."""
    return {"id": model["id"], "config": load_config(model)}


def _abilities(model: Model) -> Json:
    abilities = model["capabilities"]
    told = {"vision": abilities["vision"], "trained_for_tool_use": abilities["tools"]}
    options = model["reasoning_options"]
    return told | ({"reasoning": {"allowed_options": list(options)}} if options else {})


def _quantization(name: str) -> Json | None:
    """The bits are those of the method's name, as LM Studio tells them."""
    if not name:
        return None
    bits = _NUMBER.search(name)
    return {"name": name, "bits_per_weight": int(bits[0]) if bits else None}
