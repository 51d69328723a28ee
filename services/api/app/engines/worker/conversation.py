"""From a chat's messages and tools to the variables of a chat template.

A template that knows tools gets them as they are. Any other model is told of them in a system
message, in the form that Hermes made common and most models have seen; earlier calls and their
results become text in that form too.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain.generation import ChatPrompt

Message = Mapping[str, Any]

CALL_START, CALL_END = "<tool_call>", "</tool_call>"
_RESULT_START, _RESULT_END = "<tool_response>", "</tool_response>"

_TOLD = """\
You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a JSON object with the function's name and arguments within \
{start}{end} XML tags:
{start}
{{"name": <function-name>, "arguments": <arguments-as-a-JSON-object>}}
{end}"""

_KNOWS_NONE = re.compile(r"content\s*(['\"]\s*\])?\s+is\s+(not\s+)?none", re.IGNORECASE)


def variables(prompt: ChatPrompt, *, template: str, knows_tools: bool) -> Iterator[dict[str, Any]]:
    """The variables of `template`; then other ways to say the same, for one that refuses them.

    Some templates want the arguments of earlier calls as text, some want ids of nine letters, some
    have no system message.
    """
    offered = [_plain(tool) for tool in prompt.use.tools] if prompt.use.offered else []
    messages: list[Message] = [_plain(message) for message in prompt.messages]
    if not knows_tools:
        messages = _told(_spelled_out(messages), offered)
    if _KNOWS_NONE.search(template):
        messages = [_without_empty_content(message) for message in messages]
    common = {
        **_plain(prompt.options),
        "tools": offered if offered and knows_tools else None,
        "add_generation_prompt": True,
    }
    common.setdefault("documents", None)
    yield {**common, "messages": messages}
    if offered and not knows_tools:
        yield {**common, "messages": _without_system(messages)}
    if any(message.get("tool_calls") for message in messages):
        as_text = [_with_arguments_as_text(message) for message in messages]
        yield {**common, "messages": as_text}
        yield {**common, "messages": [_with_short_ids(message) for message in messages]}
        yield {**common, "messages": [_with_short_ids(message) for message in as_text]}


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(value)


def _told(messages: Sequence[Message], tools: Sequence[Message]) -> list[Message]:
    """Tools are described at the end of the first system message, or in one of their own."""
    if not tools:
        return list(messages)
    described = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    told = _TOLD.format(tools=described, start=CALL_START, end=CALL_END)
    if messages and messages[0].get("role") == "system":
        text = f"{messages[0].get('content') or ''}\n\n{told}".lstrip("\n")
        return [{**messages[0], "content": text}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """What the system was told, at the beginning of what the user says."""
    told, *rest = messages
    if not rest or rest[0].get("role") != "user":
        return [{**told, "role": "user"}, *rest]
    text = f"{told['content']}\n\n{rest[0].get('content') or ''}"
    return [{**rest[0], "content": text}, *rest[1:]]


def _spelled_out(messages: Sequence[Message]) -> list[Message]:
    """Calls as text of the assistant; results that follow each other as one text of the user."""
    spelled: list[Message] = []
    results = False
    for message in messages:
        if message.get("role") != "tool":
            spelled.append(_call_texts(message) if message.get("tool_calls") else message)
            results = False
            continue
        text = f"{_RESULT_START}\n{message.get('content') or ''}\n{_RESULT_END}"
        if results:
            text = f"{spelled.pop()['content']}\n{text}"
        spelled.append({"role": "user", "content": text})
        results = True
    return spelled


def _call_texts(message: Message) -> Message:
    calls = [
        f"{CALL_START}\n{json.dumps(_function(call), ensure_ascii=False)}\n{CALL_END}"
        for call in message["tool_calls"]
    ]
    text = "\n".join([message["content"], *calls] if message.get("content") else calls)
    kept = {name: value for name, value in message.items() if name != "tool_calls"}
    return {**kept, "content": text}


def _function(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    return {"name": function.get("name"), "arguments": function.get("arguments")}


def _without_empty_content(message: Message) -> Message:
    """For templates that look for a null beside calls, as OpenAI's messages have it."""
    if message.get("tool_calls") and not message.get("content"):
        return {**message, "content": None}
    return message


def _with_arguments_as_text(message: Message) -> Message:
    if not message.get("tool_calls"):
        return message
    calls = []
    for call in message["tool_calls"]:
        function = dict(call.get("function") or {})
        if not isinstance(function.get("arguments"), str):
            function["arguments"] = json.dumps(function.get("arguments"), ensure_ascii=False)
        calls.append({**call, "function": function})
    return {**message, "tool_calls": calls}


def _with_short_ids(message: Message) -> Message:
    made = dict(message)
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [{**call, "id": _short(call.get("id"))} for call in calls]
    if "tool_call_id" in message:
        made["tool_call_id"] = _short(message["tool_call_id"])
    return made


def _short(name: Any) -> str:
    """Nine letters and digits, the same for the same id."""
    return hashlib.sha256(str(name).encode("utf-8", "replace")).hexdigest()[:9]
