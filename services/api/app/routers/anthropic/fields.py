"""Every field of /v1/messages that clients may send, and what becomes of it."""

from collections.abc import Mapping
from typing import Any

from app.domain.refusals import InvalidRequest
from app.routers.fields import IGNORED, REFUSED, SUPPORTED, Field, harmless

MESSAGES: tuple[Field, ...] = (
    Field("model", SUPPORTED, "an id or alias of GET /v1/models"),
    Field("messages", SUPPORTED, "text, tool_use, tool_result and thinking blocks"),
    Field("max_tokens", SUPPORTED),
    Field("system", SUPPORTED, "a string or text blocks"),
    Field("stop_sequences", SUPPORTED, "up to 16"),
    Field("stream", SUPPORTED),
    Field("temperature", SUPPORTED),
    Field("top_p", SUPPORTED),
    Field("top_k", SUPPORTED),
    Field("tools", SUPPORTED, "tools of the client; none run on this server"),
    Field("tool_choice", SUPPORTED, "auto, any, tool, none; disable_parallel_tool_use"),
    Field("thinking", SUPPORTED, "switches thinking on or off; the budget is ignored"),
    Field("output_config", SUPPORTED, "format json_schema; effort is ignored"),
    Field("metadata", IGNORED),
    Field("service_tier", IGNORED),
    Field("cache_control", IGNORED, "prompts are remembered by themselves"),
    Field("inference_geo", IGNORED),
    Field("speed", IGNORED),
    Field("diagnostics", IGNORED),
    Field("user_profile_id", IGNORED),
    Field("workspace_id", IGNORED),
    Field("container", REFUSED),
    Field("context_management", REFUSED),
    Field("mcp_servers", REFUSED),
)


def refuse_unsupported(fields: tuple[Field, ...], extra: Mapping[str, Any] | None) -> None:
    """Raise InvalidRequest for the first field that asks for something this server can't do."""
    refused = {field.name for field in fields if field.support is REFUSED}
    for name, value in (extra or {}).items():
        if name in refused and not harmless(value):
            raise InvalidRequest(
                f"{name} is not supported by this server: leave it out.", param=name
            )
