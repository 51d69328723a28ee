"""Every field that LM Studio's clients send to /api/v1, and what becomes of it.

/api/v0 takes OpenAI's fields as /v1 does. A field that stands in no table here is refused.
"""

from collections.abc import Mapping
from typing import Any

from app.domain.refusals import NotOffered
from app.routers.fields import Field, Support


def _yes(name: str, note: str, example: Any, **beside: Any) -> Field:
    return Field(name, Support.SUPPORTED, note, example, beside)


def _hint(name: str, note: str, example: Any) -> Field:
    return Field(name, Support.IGNORED, note, example)


def _no(name: str, note: str, example: Any, *nothing: Any) -> Field:
    return Field(name, Support.REFUSED, note, example, nothing=nothing)


_ONE_ENGINE = "a setting of LM Studio's engine that changes no answer"

CHAT = (
    _yes("model", "a model or alias of GET /api/v1/models; never another than asked", "lab/echo"),
    _yes("input", "a string, or a list of text items; images are refused", "one two"),
    _yes("system_prompt", "the conversation's system message", "be brief"),
    _yes("stream", "named events, from chat.start to chat.end", True),
    _yes("temperature", "0 to 2; without it the model's own default", 0.5),
    _yes("top_p", "0 to 1; 0 means the likeliest token only", 0.5),
    _yes("top_k", "0 means all tokens", 40),
    _yes("min_p", "0 to 1", 0.05),
    _yes("repeat_penalty", "0.01 to 2", 1.1),
    _yes("max_output_tokens", "at least 1; without it the context's end", 2),
    _yes(
        "reasoning",
        "one of the model's allowed_options; off also where a model never reasons",
        "off",
    ),
    _yes(
        "context_length",
        "must be what the model is loaded with: a chat loads nothing anew",
        4096,
    ),
    _hint("ttl", "idle models are unloaded as the settings say", 60),
    _hint("priority", "a client does not set its own priority", 5),
    _no("store", "no chat is stored, and no answer has a response_id", True, False),
    _no("previous_response_id", "no chat is stored: send the conversation", "resp_1", ""),
    _no("integrations", "this server calls no tools and no other server", ["mcp/web"], []),
    _no("draft_model", "no speculative decoding yet", "lab/small", ""),
)
LOAD = (
    _yes("model", "an id of GET /api/v1/models", "lab/echo"),
    _yes("context_length", "at most the model's max_context_length", 64),
    _yes("parallel", "how many sequences at once; load_config shows it", 2),
    _yes("echo_load_config", "the terms the model is really loaded on", True),
    _hint("eval_batch_size", _ONE_ENGINE, 512),
    _hint("flash_attention", _ONE_ENGINE, True),
    _hint("offload_kv_cache_to_gpu", _ONE_ENGINE, True),
    _hint("gpu", "the server decides where a model runs", "max"),
    _hint("ttl", "idle models are unloaded as the settings say", 60),
    _no("num_experts", "it would change the answers: a model runs as it was made", 4, 0),
    _no("draft_model", "no speculative decoding yet", "lab/small", ""),
    _no("estimate_only", "ask POST /authority/models/fit: this loads", True, False),
    _no("force", "what does not fit is not loaded", True, False),
    _no("ignore_guardrails", "what does not fit is not loaded", True, False),
    _no("identifier", "a model is one instance and has its own id", "mine", ""),
)
UNLOAD = (_yes("instance_id", "the model's id", "lab/echo"),)
DOWNLOAD = (
    _yes("model", "ORG/NAME, or a link to it on the hub of the settings", "lab/new"),
    _yes("quantization", "which of several models in GGUF a repository holds", "Q4_K_M"),
)
ENDPOINTS: Mapping[str, tuple[Field, ...]] = {
    "/api/v1/chat": CHAT,
    "/api/v1/models/load": LOAD,
    "/api/v1/models/unload": UNLOAD,
    "/api/v1/models/download": DOWNLOAD,
}
SAME_AS: Mapping[str, str] = {
    "/api/v0/chat/completions": "/v1/chat/completions",
    "/api/v0/completions": "/v1/completions",
    "/api/v0/embeddings": "/v1/embeddings",
}
"""Endpoints that take what OpenAI's take, by the same code."""

EVENTS = (
    "chat.start",
    "prompt_processing.start",
    "prompt_processing.progress",
    "prompt_processing.end",
    "reasoning.start",
    "reasoning.delta",
    "reasoning.end",
    "message.start",
    "message.delta",
    "message.end",
    "error",
    "chat.end",
)
"""The names of the events of a chat's stream."""


def refuse_unsupported(fields: tuple[Field, ...], asked: Mapping[str, Any]) -> None:
    """Raise NotOffered for the first field that asks for something this server does not do."""
    for field in fields:
        if field.support is Support.REFUSED and field.asks(asked.get(field.name)):
            raise NotOffered(
                f"{field.name} is not supported by this server ({field.note}); leave it out.",
                param=field.name,
            )
