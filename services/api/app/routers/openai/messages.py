"""Chat messages as clients send them, to the plain role and text that a chat template takes."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.domain.refusals import InvalidRequest

Role = Literal["system", "developer", "user", "assistant", "tool"]

_TEXT_PARTS = ("text", "input_text", "output_text")


class Message(BaseModel):
    """One message; `content` is a string or a list of text parts."""

    model_config = ConfigDict(strict=True, extra="ignore")

    role: Role
    content: Annotated[Any, Field(json_schema_extra={"type": ["string", "array"]})] = None
    tool_calls: list[dict[str, Any]] | None = None

    def to_domain(self, position: int) -> Mapping[str, str]:
        where = f"messages[{position}]"
        if self.tool_calls:
            raise InvalidRequest(
                f"{where}.tool_calls: tool calls are not supported by this server yet.",
                param=f"{where}.tool_calls",
            )
        # Chat templates know the developer by the older name.
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": _text_of(self.content, f"{where}.content")}


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
    if (kind := part.get("type")) not in _TEXT_PARTS:
        shown = kind if isinstance(kind, str) and len(kind) <= 40 else "unknown"
        raise InvalidRequest(
            f"{where}.type: only text parts are supported, not {shown}.", param=f"{where}.type"
        )
    if not isinstance(text := part.get("text"), str):
        raise InvalidRequest(f"{where}.text must be a string.", param=f"{where}.text")
    return text
