"""The tools of a request and what it wants of them, checked before anything is rendered."""

import re
from collections.abc import Mapping
from typing import Any

from app.domain.generation import NO_TOOLS, Constraint, ToolMode, ToolUse
from app.domain.refusals import InvalidRequest
from app.routers.openai.formats import finite

MAX_TOOLS = 128

_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_ANYTHING: Mapping[str, Any] = {"type": "object", "properties": {}}
"""Stands for parameters that were not given: many chat templates look into them."""

_MODES = {"none": ToolMode.NONE, "auto": ToolMode.AUTO, "required": ToolMode.REQUIRED}


def tool_use(tools: Any, choice: Any, *, parallel: bool | None = None) -> ToolUse:
    """`tools`, `tool_choice` and `parallel_tool_calls` as chat completions have them."""
    offered = tools_of(tools)
    mode, name = choice_of(choice, [tool["function"]["name"] for tool in offered])
    if not offered:
        return NO_TOOLS
    return ToolUse(offered, mode, name, parallel=parallel is not False)


def constraint_beside(use: ToolUse, constraint: Constraint | None, param: str) -> Constraint | None:
    """What of a constraint is left beside tools. Raises InvalidRequest.

    A forced call leaves no content that it could be about. Where the model may choose, it calls or
    answers in JSON, which the first token decides; text of another form could begin like a call.
    """
    if constraint is None or not use.offered:
        return constraint
    if use.forced:
        return None
    if constraint.form.is_json:
        return constraint
    raise InvalidRequest(
        f"{param}: while the model may also call tools, an answer can be held to JSON alone, not "
        "to a pattern, choices or a grammar. Force a call (tool_choice 'required'), or ask "
        "without tools.",
        param=param,
    )


def tools_of(asked: Any) -> tuple[Mapping[str, Any], ...]:
    """Each as ``{"type": "function", "function": {...}}``; InvalidRequest names the place."""
    if asked is None:
        return ()
    if not isinstance(asked, list) or len(asked) > MAX_TOOLS:
        raise InvalidRequest(f"tools must be a list of at most {MAX_TOOLS} tools.", param="tools")
    offered = tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(asked))
    seen: set[str] = set()
    for i, tool in enumerate(offered):
        name = tool["function"]["name"]
        if name in seen:
            where = f"tools[{i}].function.name"
            raise InvalidRequest(f"{where}: there are two tools named {name}.", param=where)
        seen.add(name)
    return offered


def choice_of(asked: Any, names: list[str]) -> tuple[ToolMode, str | None]:
    """What is wanted of the tools called `names`, and the one that is forced."""
    if asked is None:
        return ToolMode.AUTO, None
    if isinstance(asked, dict):
        return ToolMode.NAMED, _named(asked, names)
    if not isinstance(asked, str) or asked not in _MODES:
        raise InvalidRequest(
            "tool_choice must be 'none', 'auto', 'required' or "
            '{"type": "function", "function": {"name": ...}}.',
            param="tool_choice",
        )
    if asked == "required" and not names:
        raise InvalidRequest(
            "tool_choice 'required' needs tools to choose from.", param="tool_choice"
        )
    return _MODES[asked], None


def function_name(asked: Any, where: str) -> str:
    if not isinstance(asked, str) or _NAME.fullmatch(asked) is None:
        raise InvalidRequest(
            f"{where} must be 1 to 64 letters, digits, underscores, dots or dashes.", param=where
        )
    return asked


def _named(asked: Mapping[str, Any], names: list[str]) -> str:
    if asked.get("type") != "function":
        raise InvalidRequest(
            "tool_choice.type must be 'function'; to allow some tools only, send only those.",
            param="tool_choice.type",
        )
    where = "tool_choice.function.name"
    function = asked.get("function")
    name = function_name(function.get("name") if isinstance(function, dict) else None, where)
    if name not in names:
        raise InvalidRequest(f"{where}: there is no tool named {name}.", param=where)
    return name


def _tool(asked: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be an object with type and function.", param=where)
    if asked.get("type") != "function":
        raise InvalidRequest(
            f"{where}.type must be 'function': this server has no tools of its own.",
            param=f"{where}.type",
        )
    return {"type": "function", "function": _function(asked.get("function"), f"{where}.function")}


def _function(asked: Any, where: str) -> Mapping[str, Any]:
    """Name, description and parameters, in the client's order; nothing else reaches the model."""
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be an object with a name.", param=where)
    function_name(asked.get("name"), f"{where}.name")
    description, parameters = asked.get("description"), asked.get("parameters")
    if not isinstance(description, str | None):
        raise InvalidRequest(f"{where}.description must be a string.", param=f"{where}.description")
    if not isinstance(parameters, dict | None):
        raise InvalidRequest(
            f"{where}.parameters must be a JSON schema, which is an object.",
            param=f"{where}.parameters",
        )
    finite(parameters, f"{where}.parameters")
    shown = {key: asked[key] for key in asked if key in _SHOWN and asked[key] is not None}
    return shown if parameters else {**shown, "parameters": dict(_ANYTHING)}


_SHOWN = frozenset({"name", "description", "parameters"})
