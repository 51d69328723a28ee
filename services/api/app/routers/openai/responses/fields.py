"""Every field of POST /v1/responses that clients may send, and what becomes of it."""

from app.routers.fields import IGNORED, REFUSED, SUPPORTED, Field

LOGPROBS = "message.output_text.logprobs"

_TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}}
_TOLD = {"include": [LOGPROBS]}
_WITH_TOOL = {"tools": [_TOOL]}

RESPONSES: tuple[Field, ...] = (
    Field("model", SUPPORTED, "an id or alias of GET /v1/models", "a/b"),
    Field(
        "input",
        SUPPORTED,
        "text, or messages, function calls and their outputs, reasoning; images are refused",
        "hello",
    ),
    Field("instructions", SUPPORTED, "the conversation's system message", "Be brief."),
    Field("max_output_tokens", SUPPORTED, "at least 1; without it the context's end", 2),
    Field("stream", SUPPORTED, "typed events, from response.created to response.completed", True),
    Field("temperature", SUPPORTED, "0 to 2; without it the model's own default", 0.5),
    Field("top_p", SUPPORTED, "0 to 1; 0 means the likeliest token only", 0.5),
    Field("top_logprobs", SUPPORTED, f"0 to 20; told with include {LOGPROBS}", 3, _TOLD),
    Field(
        "text",
        SUPPORTED,
        "format text, json_object, json_schema: enforced token by token; verbosity is ignored",
        {"format": {"type": "json_object"}},
    ),
    Field("tools", SUPPORTED, "functions of the client; none run on this server", [_TOOL]),
    Field("tool_choice", SUPPORTED, "none, auto, required, one function", "required", _WITH_TOOL),
    Field("parallel_tool_calls", SUPPORTED, "false: at most one call", False, _WITH_TOOL),
    Field("reasoning", SUPPORTED, "effort; summary is ignored", {"effort": "none"}),
    Field("store", SUPPORTED, "kept only where the operator switched that on for the key", False),
    Field("previous_response_id", SUPPORTED, "only where answers are kept", "resp_1"),
    Field("metadata", SUPPORTED, "up to 16 pairs, given back", {"a": "b"}),
    Field("include", SUPPORTED, f"{LOGPROBS}; others are ignored", [LOGPROBS]),
    Field("truncation", SUPPORTED, "disabled; auto is refused", "disabled"),
    Field("stream_options", IGNORED, "nothing is added to events", {"include_obfuscation": True}),
    Field("user", IGNORED, "no user of the caller is kept", "u1"),
    Field("safety_identifier", IGNORED, "no user of the caller is kept", "u1"),
    Field("prompt_cache_key", IGNORED, "prompts are remembered without it", "k"),
    Field("prompt_cache_retention", IGNORED, "prompts are remembered as the settings say", "24h"),
    Field(
        "prompt_cache_options", IGNORED, "prompts are remembered as the settings say", {"a": "b"}
    ),
    Field("service_tier", IGNORED, "there is one tier", "flex"),
    Field("max_tool_calls", IGNORED, "it bounds tools of the server, which has none", 3),
    Field("background_options", IGNORED, "nothing runs in the background", {"a": "b"}),
    Field("access_programs", IGNORED, "there are none", ["x"]),
    Field("background", REFUSED, "an answer ends with its request", True, nothing=(False,)),
    Field("conversation", REFUSED, "there are no conversations kept by name", "conv_1"),
    Field("context_management", REFUSED, "nothing is left out or compacted", [{"type": "x"}]),
    Field("image", REFUSED, "no images are made", {"size": "1"}),
    Field("moderation", REFUSED, "there is no moderation", {"model": "x"}),
    Field("prompt", REFUSED, "there are no prompts kept on the server", {"id": "pmpt_1"}),
)

EVENTS = (
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
    "response.incomplete",
    "response.failed",
)
"""The types of a stream's events."""
