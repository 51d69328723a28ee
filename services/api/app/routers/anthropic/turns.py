"""The turns of a conversation as Anthropic's clients send them, to messages for a template."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.refusals import InvalidRequest

Message = Mapping[str, Any]
Block = Mapping[str, Any]


class Turn(BaseModel):
    """One turn; `content` is a string or a list of blocks."""

    model_config = ConfigDict(strict=True, extra="ignore")

    role: Literal["user", "assistant", "system"]
    content: Annotated[Any, Field(json_schema_extra={"type": ["string", "array"]})]


def system_of(system: Any) -> list[Message]:
    """The system prompt, if there is one: a string or a list of text blocks."""
    if system is None or system == []:
        return []
    return [{"role": "system", "content": _text(system, "system")}]


def messages_of(turns: Sequence[Turn]) -> Iterator[Message]:
    """Every message, in order. Raises InvalidRequest."""
    for position, turn in enumerate(turns):
        where = f"messages[{position}].content"
        if turn.role == "user":
            yield from _user(turn.content, where)
        elif turn.role == "system":
            yield {"role": "system", "content": _text(turn.content, where)}
        elif position + 1 == len(turns):
            raise InvalidRequest(
                "The last message is the assistant's: this server does not continue an answer "
                "that was begun elsewhere. End with a user message.",
                param=f"messages[{position}]",
            )
        else:
            yield _assistant(turn.content, where)


def _user(content: Any, where: str) -> Iterator[Message]:
    """Results of tools are messages of their own and come before what the user adds."""
    if isinstance(content, str):
        yield {"role": "user", "content": content}
        return
    texts: list[str] = []
    for at, block in _blocks(content, where):
        if block["type"] == "tool_result":
            yield _result(block, at)
        else:
            texts.append(_text_of_block(block, at))
    if texts:
        yield {"role": "user", "content": "\n".join(texts)}


def _result(block: Block, where: str) -> Message:
    content = block.get("content")
    return {
        "role": "tool",
        "tool_call_id": _string(block, "tool_use_id", where),
        "content": "" if content in (None, []) else _text(content, f"{where}.content"),
    }


def _assistant(content: Any, where: str) -> Message:
    if isinstance(content, str):
        return {"role": "assistant", "content": content}
    texts: list[str] = []
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for at, block in _blocks(content, where):
        match block["type"]:
            case "tool_use":
                message.setdefault("tool_calls", []).append(_call(block, at))
            case "thinking":
                thought = message.get("reasoning_content", "")
                message["reasoning_content"] = thought + _string(block, "thinking", at)
            case "redacted_thinking":
                pass  # nobody but its maker can read it
            case _:
                texts.append(_text_of_block(block, at))
    return message | {"content": "\n".join(texts)}


def _call(block: Block, where: str) -> dict[str, Any]:
    arguments = block.get("input")
    if not isinstance(arguments, dict):
        raise InvalidRequest(f"{where}.input must be an object.", param=f"{where}.input")
    function = {"name": _string(block, "name", where), "arguments": arguments}
    return {"id": _string(block, "id", where), "type": "function", "function": function}


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_text_of_block(block, at) for at, block in _blocks(content, where))


def _blocks(content: Any, where: str) -> list[tuple[str, Block]]:
    if not isinstance(content, list) or not content:
        raise InvalidRequest(f"{where} must be a string or a list of blocks.", param=where)
    found: list[tuple[str, Block]] = []
    for position, block in enumerate(content):
        at = f"{where}[{position}]"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise InvalidRequest(f"{at} must be an object with a type.", param=at)
        found.append((at, block))
    return found


def _text_of_block(block: Block, where: str) -> str:
    if (kind := block["type"]) != "text":
        shown = kind if len(kind) <= 40 else "unknown"
        raise InvalidRequest(
            f"{where}.type: {shown} blocks are not supported here; only text is.",
            param=f"{where}.type",
        )
    return _string(block, "text", where)


def _string(block: Block, name: str, where: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}.{name} must be a string.", param=f"{where}.{name}")
    return value
