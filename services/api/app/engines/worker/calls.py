"""Calls of tools in an answer's text: read by the model's parser, checked, written as JSON."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.engines.worker.tool_parsers import CallForm, parser_of


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that was offered. `arguments` is one JSON object."""

    name: str
    arguments: str


def new_call_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def calls_in(block: str, form: CallForm, tools: Sequence[Mapping[str, Any]]) -> list[ToolCall]:
    """The calls of a block, which stands without its markers; empty if it is none.

    All or nothing: one call that is no call, or of a tool that was not offered, makes the block
    text, so that a client is never asked for something it does not have, and nothing is lost.
    """
    offered = {str(tool["function"]["name"]) for tool in tools}
    try:
        parsed = parser_of(form.parser)(block, _for_parsers(tools))
        found = [_call(one) for one in (parsed if isinstance(parsed, list) else [parsed])]
    except Exception:  # noqa: BLE001 - the text is the model's, and parsers raise whatever happens
        return []
    return found if all(call.name in offered for call in found) else []


def _call(parsed: Any) -> ToolCall:
    """Raises whatever comes of something that is no call."""
    name, arguments = parsed["name"], parsed.get("arguments", parsed.get("parameters", {}))
    if isinstance(arguments, str):
        arguments = json.loads(arguments or "{}")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError("no name, or arguments that are no object")
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False, allow_nan=False))


def _for_parsers(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As the parsers look into them: each with parameters that are an object."""
    made = []
    for tool in tools:
        function = dict(tool["function"])
        if not isinstance(function.get("parameters"), dict):
            function["parameters"] = {"type": "object", "properties": {}}
        made.append({"type": "function", "function": function})
    return made
