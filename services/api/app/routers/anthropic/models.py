"""The models as Anthropic's clients read them, who ask on the path that OpenAI's ask on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def anthropic_models(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All of them on one page."""
    return {
        "data": [anthropic_model(entry) for entry in entries],
        "first_id": entries[0]["id"] if entries else None,
        "last_id": entries[-1]["id"] if entries else None,
        "has_more": False,
    }


def anthropic_model(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`entry` is one of GET /v1/models. Prompt and answer share the context."""
    return {
        "type": "model",
        "id": entry["id"],
        "display_name": entry["id"],
        "created_at": datetime.fromtimestamp(entry["created"], UTC).isoformat(),
        "lifecycle": "active",
        "max_input_tokens": entry["context"],
        "max_tokens": entry["context"],
    }
