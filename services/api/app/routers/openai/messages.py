"""Chat messages as clients send them, to the plain mappings that a chat template takes."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from app.domain.refusals import InvalidRequest
from app.routers.openai.formats import finite
from app.routers.openai.tools import function_name

Role = Literal["system", "developer", "user", "assistant", "tool"]

_TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Type of a part: where its text stands."""


class Message(BaseModel):
    """One message; `content` is a string or a list of text parts."""

    model_config = ConfigDict(strict=True, extra="ignore")

    role: Role
    content: Annotated[Any, Field(json_schema_extra={"type": ["string", "array", "null"]})] = None
    name: Annotated[str, Field(max_length=256)] | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    audio: Any = None
    function_call: Any = None

    def to_domain(self, position: int) -> dict[str, Any]:
        where = f"messages[{position}]"
        self._refuse(where)
        # Chat templates know the developer by the older name.
        role = "system" if self.role == "developer" else self.role
        plain: dict[str, Any] = {"role": role, "content": self._content(f"{where}.content")}
        if self.name is not None:
            plain["name"] = self.name
        if self.role == "tool" and self.tool_call_id is not None:
            plain["tool_call_id"] = self.tool_call_id
        if self.role == "assistant":
            plain |= self._answer(where)
        return plain

    def _refuse(self, where: str) -> None:
        if self.audio is not None:
            raise InvalidRequest(
                f"{where}.audio: this server speaks and hears text only.", param=f"{where}.audio"
            )
        if self.function_call is not None:
            raise InvalidRequest(
                f"{where}.function_call is not supported; send tool_calls, which replaced it.",
                param=f"{where}.function_call",
            )
        if self.tool_calls and self.role != "assistant":
            raise InvalidRequest(
                f"{where}.tool_calls: only an assistant calls tools.", param=f"{where}.tool_calls"
            )

    def _content(self, where: str) -> str:
        if self.content is None and self.role == "assistant":
            if self.refusal is not None:
                return self.refusal
            if self.tool_calls or self._reasoning is not None:
                return ""
        return _text_of(self.content, where)

    @property
    def _reasoning(self) -> str | None:
        return self.reasoning if self.reasoning_content is None else self.reasoning_content

    def _answer(self, where: str) -> dict[str, Any]:
        """What only an assistant's message holds."""
        calls = [_call(c, f"{where}.tool_calls[{i}]") for i, c in enumerate(self.tool_calls or ())]
        members = {"tool_calls": calls or None, "reasoning_content": self._reasoning}
        return {name: value for name, value in members.items() if value is not None}


def conversation(messages: Iterable[Message]) -> tuple[Mapping[str, Any], ...]:
    """All of them; a tool's message bears the name of the tool whose call it answers."""
    plain = tuple(message.to_domain(i) for i, message in enumerate(messages))
    called: dict[str, str] = {}
    for message in plain:
        for call in message.get("tool_calls", ()):
            called[call["id"]] = call["function"]["name"]
        name = called.get(message.get("tool_call_id", ""))
        if name is not None:
            message.setdefault("name", name)
    return plain


def _call(asked: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(asked, dict) or not isinstance(function := asked.get("function"), dict):
        raise InvalidRequest(f"{where} must be an object with id, type and function.", param=where)
    if asked.get("type", "function") != "function":
        raise InvalidRequest(f"{where}.type must be 'function'.", param=f"{where}.type")
    if not isinstance(called := asked.get("id"), str):
        raise InvalidRequest(f"{where}.id must be a string.", param=f"{where}.id")
    name = function_name(function.get("name"), f"{where}.function.name")
    arguments = _arguments(function.get("arguments"), f"{where}.function.arguments")
    return {"id": called, "type": "function", "function": {"name": name, "arguments": arguments}}


def arguments_of(text: str) -> Mapping[str, Any]:
    """Arguments as a model wrote them; nothing stands for an object without members.

    What is no object (a call that was cut short, say) is kept as it was written: agents hand it
    back with the error that it gave, and the model should see both.
    """
    try:
        read = from_json(text, allow_inf_nan=False) if text.strip() else {}
    except ValueError:
        read = None
    return read if isinstance(read, dict) else {"arguments": text}


def _arguments(asked: Any, where: str) -> Mapping[str, Any]:
    if isinstance(asked, str):
        asked = arguments_of(asked)
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be a JSON object, written as text.", param=where)
    finite(asked, where)
    return asked


def _text_of(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InvalidRequest(
            f"{where} must be a string or a list of text parts, and must not be null.", param=where
        )
    return "\n".join(_text_of_part(part, f"{where}[{i}]") for i, part in enumerate(content))


def _text_of_part(part: Any, where: str) -> str:
    if not isinstance(part, dict):
        raise InvalidRequest(f"{where} must be an object with type and text.", param=where)
    kind = part.get("type")
    if not isinstance(kind, str) or kind not in _TEXTS:
        shown = kind if isinstance(kind, str) and len(kind) <= 40 else "unknown"
        raise InvalidRequest(
            f"{where}.type: only text parts are supported, not {shown}.", param=f"{where}.type"
        )
    member = _TEXTS[kind]
    if not isinstance(text := part.get(member), str):
        raise InvalidRequest(f"{where}.{member} must be a string.", param=f"{where}.{member}")
    return text
