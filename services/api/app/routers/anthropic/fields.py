"""Every field that clients send to /v1/messages and count_tokens, and what becomes of it."""

from collections.abc import Mapping
from typing import Any

from app.routers.fields import IGNORED, REFUSED, SUPPORTED, Field

_TOOL = {"name": "look", "input_schema": {"type": "object"}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
_FORMAT = {"format": {"type": "json_schema", "schema": _SCHEMA}}


_KEEPS_ALL = {"type": "clear_thinking_20251015", "keep": "all"}


def _no(name: str, note: str, example: Any, *nothing: Any) -> Field:
    return Field(name, REFUSED, note, example, nothing=("", [], {}, *nothing))


_CONVERSATION = (
    Field("model", SUPPORTED, "an id or alias of GET /v1/models; never another than asked", "a/b"),
    Field(
        "messages",
        SUPPORTED,
        "text, tool_use, tool_result and thinking blocks; images and documents are refused",
        [{"role": "user", "content": "hello"}],
    ),
    Field("system", SUPPORTED, "a string or text blocks", "be brief"),
    Field("tools", SUPPORTED, "up to 128 tools of the client; none run on this server", [_TOOL]),
    Field(
        "tool_choice",
        SUPPORTED,
        "auto, any, tool, none; disable_parallel_tool_use",
        {"type": "any"},
        {"tools": [_TOOL]},
    ),
    Field(
        "thinking",
        SUPPORTED,
        "switches thinking on or off; the budget is ignored",
        {"type": "disabled"},
    ),
)
_HINTS = (
    Field("cache_control", IGNORED, "prompts are remembered by themselves", {"type": "ephemeral"}),
    Field("speed", IGNORED, "there is one speed", "fast"),
    Field("user_profile_id", IGNORED, "no user of the caller is kept", "u1"),
    Field("workspace_id", IGNORED, "there are no workspaces", "w1"),
)
_REFUSED = (
    _no("container", "nothing is executed on the server", "container_1"),
    _no(
        "context_management",
        "nothing is left out or compacted; an edit that keeps all passes",
        {"edits": [{"type": "clear_tool_uses_20250919"}]},
        {"edits": []},
        {"edits": [_KEEPS_ALL]},
    ),
    _no("mcp_servers", "the server makes no outbound connection", [{"type": "url", "url": "x"}]),
)

MESSAGES: tuple[Field, ...] = (
    *_CONVERSATION,
    Field("max_tokens", SUPPORTED, "at least 1", 2),
    Field("stop_sequences", SUPPORTED, "up to 16, each of 1 to 1024 characters", ["END"]),
    Field("stream", SUPPORTED, "named events, from message_start to message_stop", True),
    Field("temperature", SUPPORTED, "0 to 1; without it the model's own default", 0.5),
    Field("top_p", SUPPORTED, "0 to 1", 0.5),
    Field("top_k", SUPPORTED, "0 means all tokens", 40),
    Field("output_config", SUPPORTED, "format json_schema; effort is ignored", _FORMAT),
    *_HINTS,
    Field("metadata", IGNORED, "no user of the caller is kept", {"user_id": "u1"}),
    Field("service_tier", IGNORED, "there is one tier", "auto"),
    Field("inference_geo", IGNORED, "it is answered on this machine", "eu"),
    Field("diagnostics", IGNORED, "none are told", {"previous_message_id": "msg_1"}),
    *_REFUSED,
)

COUNT_TOKENS: tuple[Field, ...] = (
    *_CONVERSATION,
    Field("output_config", IGNORED, "a constraint adds nothing to a prompt", _FORMAT),
    *_HINTS,
    *_REFUSED,
)

ENDPOINTS: Mapping[str, tuple[Field, ...]] = {
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT_TOKENS,
}
EVENTS = (
    "message_start",
    "ping",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "error",
)
"""The names of a stream's events."""
