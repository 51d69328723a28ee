"""GET /v1/models and /v1/models/{id}: what a client may name, and what it gets by it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request

from app.domain.refusals import ModelNotFound
from app.routers.dependencies import ClientRoute, UseCases, actor_of, name_subject
from app.routers.openai.documents import ERRORS

router = APIRouter(prefix="/v1/models", tags=["openai"], responses=ERRORS, route_class=ClientRoute)

_ANTHROPIC = "anthropic-version"  # sent by that protocol's clients, which share the path
_TOLD = ("max_context", "size_bytes", "digest", "format", "task")


@router.get("")
async def served_models(request: Request, services: UseCases) -> dict[str, Any]:
    """Every model and alias that a request may name, loaded or not."""
    models = await services.reading.described_models(actor_of(request))
    aliases = [_entry(alias, model) for model in models for alias in model["aliases"]]
    entries = aliases + [_entry(model["id"], model) for model in models]
    if _ANTHROPIC in request.headers:
        return _anthropic_page(entries)
    return {"object": "list", "data": entries}


@router.get("/{model_id:path}")
async def served_model(model_id: str, request: Request, services: UseCases) -> dict[str, Any]:
    """One of them; ids contain slashes."""
    name_subject(request, model_id)
    for model in await services.reading.described_models(actor_of(request)):
        if model_id in _names(model):
            entry = _entry(model_id, model)
            return _anthropic_entry(entry) if _ANTHROPIC in request.headers else entry
    raise ModelNotFound(
        f"The model {model_id[:200]!r} does not exist; GET /v1/models lists those that do.",
        param="model",
    )


def _names(model: Mapping[str, Any]) -> Iterator[str]:
    yield model["id"]
    yield from model["aliases"]


def _entry(name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAI's four members, and what clients otherwise have to be told by hand.

    `context` is that of the loaded model; of another, the longest that it could be loaded with.
    """
    publisher, slash, _ = name.partition("/")
    return {
        "id": name,
        "object": "model",
        "created": model["created"],
        "owned_by": publisher if slash else "lmx",
        "state": "loaded" if model["loaded"] else "not-loaded",
        "context": model["context"] or model["max_context"],
        **{told: model[told] for told in _TOLD},
        "quantization": model["quantization"] or None,
    }


def _anthropic_page(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All of them, as Anthropic's clients read pages."""
    return {
        "data": [_anthropic_entry(entry) for entry in entries],
        "first_id": entries[0]["id"] if entries else None,
        "last_id": entries[-1]["id"] if entries else None,
        "has_more": False,
    }


def _anthropic_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt and answer share the context."""
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry["id"],
        "created_at": datetime.fromtimestamp(entry["created"], UTC).isoformat(),
        "lifecycle": "active",
        "max_input_tokens": entry["context"],
        "max_tokens": entry["context"],
    }
