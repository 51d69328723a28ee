"""What OpenAI or LM Studio clients may ask for and this server does not do yet: refused, by name.

Ignoring any of these would answer a different question than was asked. Values that change nothing
pass. Everything that is in no table here or in the schemas is ignored, as OpenAI does.
"""

from collections.abc import Mapping
from typing import Any

from app.domain.refusals import InvalidRequest

_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], {})

HARMLESS: Mapping[str, tuple[Any, ...]] = {
    "audio": _NOTHING,
    "draft_model": _NOTHING,
    "echo": _NOTHING,
    "frequency_penalty": _NOTHING,
    "function_call": (None, "none", "auto"),
    "functions": _NOTHING,
    "grammar": _NOTHING,
    "logit_bias": _NOTHING,
    "logprobs": (None, False),
    "min_p": _NOTHING,
    "modalities": (None, [], ["text"]),
    "presence_penalty": _NOTHING,
    "repeat_penalty": (None, 1),
    "repetition_penalty": (None, 1),
    "suffix": _NOTHING,
    "tool_choice": (None, "none", "auto"),
    "tools": _NOTHING,
    "top_k": (None, 0, -1),
    "top_logprobs": (None, 0),
    "typical_p": (None, 1),
    "web_search_options": _NOTHING,
}
"""Field: the values with which it asks for nothing."""


def refuse_unsupported(extra: Mapping[str, Any] | None, *, n: int) -> None:
    """Raise InvalidRequest for the first field that asks for something this server can't do."""
    for name, value in (extra or {}).items():
        if name in HARMLESS and not any(_same(value, nothing) for nothing in HARMLESS[name]):
            raise InvalidRequest(
                f"{name} is not supported by this server yet, and it will not pretend: "
                "leave it out, or send its default.",
                param=name,
            )
    if (extra or {}).get("best_of") not in (None, 1, n):
        raise InvalidRequest("best_of is supported only when equal to n.", param="best_of")


def refuse_response_format(wanted: Mapping[str, Any] | None) -> None:
    """Only text: a JSON answer that nothing enforces would be a guess."""
    if wanted is None or (kind := wanted.get("type")) == "text":
        return
    if kind in ("json_object", "json_schema"):
        reason = f"response_format {kind} is not supported yet; ask for JSON in the prompt instead."
    else:
        reason = "response_format.type must be 'text'."
    raise InvalidRequest(reason, param="response_format")


def _same(value: Any, nothing: Any) -> bool:
    """Equal as JSON: 0 and false differ (`logprobs: 0` asks for log probabilities)."""
    return isinstance(value, bool) == isinstance(nothing, bool) and bool(value == nothing)
