"""What of a response belongs to the conversation that a later request goes on with."""

from typing import Any

from app.routers.answering import Said
from app.routers.openai.messages import arguments_of


def answer_of(said: Said) -> dict[str, Any]:
    """The answer as a message for a chat template. Thoughts are left out, as OpenAI does."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": arguments_of(call.arguments)},
        }
        for call in said.calls
    ]
    return message | ({"tool_calls": calls} if calls else {})


def input_items(raw: Any, response_id: str) -> list[dict[str, Any]]:
    """The items that were sent, each with an id."""
    items = [{"role": "user", "content": raw}] if isinstance(raw, str) else list(raw)
    own = response_id.removeprefix("resp_")
    return [
        {"id": f"item_{own}_{at}", "type": "message", **_parts(item)}
        for at, item in enumerate(items)
    ]


def _parts(item: dict[str, Any]) -> dict[str, Any]:
    """Text as OpenAI lists it: in parts."""
    content = item.get("content")
    if not isinstance(content, str):
        return item
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    return {**item, "content": [{"type": kind, "text": content}]}
