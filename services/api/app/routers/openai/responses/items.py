"""The items of a response's input, to messages for a chat template."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.domain.refusals import InvalidRequest
from app.routers.openai.messages import Message, conversation

Item = Mapping[str, Any]
Plain = Mapping[str, Any]

MAX_ITEMS = 10_000


def messages_of(raw: Any) -> tuple[Plain, ...]:
    """Text, or a list of items. Raises InvalidRequest that names the item.

    Calls and thoughts that stand in a row belong to one message of the assistant.
    """
    if isinstance(raw, str):
        return ({"role": "user", "content": raw},)
    if not isinstance(raw, list) or not raw or len(raw) > MAX_ITEMS:
        raise InvalidRequest(
            f"input must be a string or a list of 1 to {MAX_ITEMS} items.", param="input"
        )
    return joined(_message_of(item, f"input[{at}]") for at, item in enumerate(raw))


def joined(messages: Iterator[Message | None]) -> tuple[Plain, ...]:
    """Neighbouring parts of the assistant's turn are one message."""
    turns: list[Message] = []
    for message in messages:
        if message is None:
            continue
        before = turns[-1] if turns else None
        if before is not None and _goes_on(before, message):
            turns[-1] = _merged(before, message)
        else:
            turns.append(message)
    return conversation(turns)


def _message_of(item: Any, where: str) -> Message | None:
    if not isinstance(item, dict):
        raise InvalidRequest(f"{where} must be an object.", param=where)
    kind = item.get("type", "message")
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        shown = kind if isinstance(kind, str) and len(kind) <= 40 else "unknown"
        raise InvalidRequest(
            f"{where}.type: {shown} items are not supported by this server.",
            param=f"{where}.type",
        )
    return read(item, where)


def _spoken(item: Item, where: str) -> Message:
    role = item.get("role")
    if role not in ("user", "assistant", "system", "developer"):
        raise InvalidRequest(
            f"{where}.role must be user, assistant, system or developer.", param=f"{where}.role"
        )
    return Message(role=role, content=item.get("content"))


def _call(item: Item, where: str) -> Message:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    call = {"id": _string(item, "call_id", where), "type": "function", "function": function}
    return Message(role="assistant", tool_calls=[call])


def _output(item: Item, where: str) -> Message:
    call_id = _string(item, "call_id", where)
    output = item.get("output")
    if not isinstance(output, str | list):
        raise InvalidRequest(
            f"{where}.output must be a string or a list of text parts.", param=f"{where}.output"
        )
    return Message(role="tool", tool_call_id=call_id, content=output or "")


def _thought(item: Item, where: str) -> Message | None:
    """What the model thought before. Encrypted thoughts are another server's and are left out."""
    parts = item.get("content") or []
    if not isinstance(parts, list):
        raise InvalidRequest(f"{where}.content must be a list.", param=f"{where}.content")
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    said = "".join(text for text in texts if isinstance(text, str))
    return Message(role="assistant", reasoning_content=said) if said else None


_READERS: Mapping[str, Callable[[Item, str], Message | None]] = {
    "message": _spoken,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _thought,
}


def _goes_on(before: Message, message: Message) -> bool:
    if not before.role == message.role == "assistant":
        return False
    return bool(message.tool_calls) or not (before.tool_calls or before.content)


def _merged(before: Message, message: Message) -> Message:
    return Message(
        role="assistant",
        content=before.content if message.content is None else message.content,
        reasoning_content=before.reasoning_content or message.reasoning_content,
        tool_calls=[*(before.tool_calls or ()), *(message.tool_calls or ())] or None,
    )


def _string(item: Item, name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= 256:
        raise InvalidRequest(
            f"{where}.{name} must be a string of 1 to 256 characters.", param=f"{where}.{name}"
        )
    return value
