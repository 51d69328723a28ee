"""Decoders that were saved without their output matrix, as embedding models often are.

Their tensors lack the name of the part that holds them, and the matrix, which vectors don't need.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.utils import _get_classes

_PARTS = ("embed_tokens.", "layers.", "norm.")
_BODY = "model."
_EMBEDDING = "model.embed_tokens."
_OUTPUT = "lm_head."


def is_body_only(directory: Path) -> bool:
    """Told by the names of all tensors."""
    names: set[str] = set()
    for path in directory.glob("model*.safetensors"):
        found: Any = mx.load(str(path))
        names |= found.keys()
    return bool(names) and all(name.startswith(_PARTS) for name in names)


def classes_of_body(config: dict[str, Any]) -> tuple[type[Any], type[Any]]:
    """The model's class, which takes such tensors, and that of its arguments."""
    found: tuple[Any, Any] = _get_classes(config)
    whole: Any = found[0]

    class Body(whole):  # type: ignore[misc]
        def sanitize(self, weights: Mapping[str, mx.array]) -> Any:
            named = {_BODY + name: weight for name, weight in weights.items()}
            if "lm_head" in self:
                named |= {
                    name.replace(_EMBEDDING, _OUTPUT): weight
                    for name, weight in named.items()
                    if name.startswith(_EMBEDDING)
                }
            further = getattr(super(), "sanitize", None)
            return named if further is None else further(named)

    return Body, found[1]
