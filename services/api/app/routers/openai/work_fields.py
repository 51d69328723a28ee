"""Every field that clients send to embeddings, rerank, tokenize and detokenize."""

from collections.abc import Mapping
from typing import Any

from app.routers.fields import IGNORED, REFUSED, SUPPORTED, Field

_MODEL = Field("model", SUPPORTED, "a model or alias of GET /v1/models", "lab/echo")
_USER = Field("user", IGNORED, "no user of the caller is kept", "u1")
_PRIORITY = Field("priority", IGNORED, "vLLM's; a client does not set its own priority", 5)
_TRUNCATE = Field("truncate_prompt_tokens", REFUSED, "vLLM's; a text is never cut", 5)


def _no(name: str, note: str, example: Any, *nothing: Any) -> Field:
    return Field(name, REFUSED, note, example, nothing=nothing)


EMBEDDINGS = (
    _MODEL,
    Field("input", SUPPORTED, "text, token ids or a list of up to 2048 of either", ["a", "b"]),
    Field("encoding_format", SUPPORTED, "float, or base64 of little-endian float32", "base64"),
    Field("dimensions", SUPPORTED, "1 to the model's own; cut, then brought to length 1", 2),
    _USER,
    _PRIORITY,
    Field("ttl", IGNORED, "LM Studio's; idle models are unloaded as the settings say", 60),
    _TRUNCATE,
    _no("truncate", "Cohere's; a text is never cut", "END", "NONE", ""),
    _no("add_special_tokens", "vLLM's; send token ids to leave them out", False, True),
    _no("normalize", "vLLM's; vectors always have length 1", False, True),
    _no("messages", "vLLM's; send their text as input", [{"role": "user", "content": "a"}], []),
)

RERANK = (
    _MODEL,
    Field("query", SUPPORTED, "text", "one two"),
    Field("documents", SUPPORTED, "up to 2048 texts, or objects with a text", ["one", "two"]),
    Field("top_n", SUPPORTED, "at least 1; without it all documents", 1),
    Field("return_documents", SUPPORTED, "false unless asked for", True),
    _USER,
    _PRIORITY,
    _TRUNCATE,
    _no("max_chunks_per_doc", "Cohere's; a text is never split", 5),
    _no("max_tokens_per_doc", "Cohere's; a text is never cut", 5),
    _no("rank_fields", "Cohere's; a document is one text", ["title"], []),
)

TOKENIZE = (
    _MODEL,
    Field("prompt", SUPPORTED, "text; or messages instead", "one two"),
    Field(
        "messages",
        SUPPORTED,
        "as for chat completions, through the model's chat template",
        [{"role": "user", "content": "hello"}],
    ),
    Field("add_special_tokens", SUPPORTED, "true unless false; not with messages", False),
    Field("return_token_strs", SUPPORTED, "the text of each token", True),
    Field(
        "tools",
        SUPPORTED,
        "with messages, as for chat completions",
        [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    ),
    Field("chat_template_kwargs", SUPPORTED, "with messages; variables of the template", {"a": 1}),
    _no("add_generation_prompt", "an answer always begins anew", False, True),
    _no("continue_final_message", "an answer always begins anew", True, False),
    _no("chat_template", "the model's own is used", "{{ messages }}", ""),
)

DETOKENIZE = (
    _MODEL,
    Field("tokens", SUPPORTED, "token ids", [1, 2]),
)

ENDPOINTS: Mapping[str, tuple[Field, ...]] = {
    "/v1/embeddings": EMBEDDINGS,
    "/v1/rerank": RERANK,
    "/v1/tokenize": TOKENIZE,
    "/v1/detokenize": DETOKENIZE,
    "/tokenize": TOKENIZE,
    "/detokenize": DETOKENIZE,
}
