"""Every field that clients send to chat completions and completions, and what becomes of it.

Plain data: the refusals, the tests and the contract page are made from it. A field that stands in
no table is unknown to OpenAI and to the servers whose clients we serve, and is ignored.
"""

from collections.abc import Mapping
from typing import Any

from app.routers.fields import Field, Support


def _yes(name: str, note: str, example: Any, **beside: Any) -> Field:
    return Field(name, Support.SUPPORTED, note, example, beside)


def _hint(name: str, note: str, example: Any) -> Field:
    return Field(name, Support.IGNORED, note, example)


def _no(name: str, note: str, example: Any, *nothing: Any) -> Field:
    return Field(name, Support.REFUSED, note, example, nothing=nothing)


_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
_FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}}
_EMPTY: tuple[Any, ...] = (False, 0, "", [], {})

_ASKED = (
    _yes("model", "a model or alias of GET /v1/models; never another than asked", "lab/echo"),
    _yes("stream", "server-sent events, ended by [DONE]", True),
    _yes(
        "stream_options",
        "include_usage; include_obfuscation is ignored",
        {"include_usage": True},
        stream=True,
    ),
    _yes("n", "1 to 8; prompts times n at most 32", 2),
    _yes("stop", "a string or up to four, each of 1 to 1024 characters", ["END"]),
    _yes("seed", "honoured also when requests are batched; choice j has the seed plus j", 7),
    _yes("temperature", "0 to 2; without it the model's own default", 0.5),
    _yes("top_p", "0 to 1; 0 means the likeliest token only", 0.5),
    _yes("max_tokens", "at least 1, or -1 for no limit", 5),
    _yes("presence_penalty", "-2 to 2", 0.5),
    _yes("frequency_penalty", "-2 to 2", 0.5),
    _yes("logit_bias", "up to 1024 token ids, each -100 to 100", {"5": -100}),
    _yes("top_k", "vLLM's and LM Studio's; 0 and -1 mean all tokens", 40),
    _yes("min_p", "vLLM's and llama.cpp's; 0 to 1", 0.05),
    _yes("repetition_penalty", "vLLM's; 0.01 to 2", 1.1),
    _yes("repeat_penalty", "LM Studio's name of repetition_penalty", 1.1),
    _yes(
        "structured_outputs", "vLLM's; json, regex, choice, grammar or json_object", {"regex": "a+"}
    ),
    _yes("guided_json", "vLLM's; a JSON schema, also as text", _SCHEMA),
    _yes("guided_regex", "vLLM's; the whole answer matches it", "a+"),
    _yes("guided_choice", "vLLM's; the answer is one of up to 1024 strings", ["yes", "no"]),
    _yes("guided_grammar", "vLLM's; in Lark's notation", 'start: "a"'),
    _yes("response_format", "text, json_object, json_schema: enforced token by token", _FORMAT),
)
_HINTS = (
    _hint("user", "no user of the caller is kept", "u1"),
    _hint("metadata", "nothing is stored", {"a": "b"}),
    _hint("store", "nothing is stored", True),
    _hint("service_tier", "there is one tier", "flex"),
    _hint("priority", "vLLM's; a client does not set its own priority", 5),
    _hint("ttl", "LM Studio's; idle models are unloaded as the settings say", 60),
    _hint("guided_decoding_backend", "vLLM's; there is one backend", "xgrammar"),
    _hint("cache_prompt", "llama.cpp's; prompts are remembered as the settings say", True),
)
_REFUSED = (
    _no("audio", "text only", {"voice": "alloy", "format": "wav"}, *_EMPTY),
    _no("modalities", "text only", ["text", "audio"], [], ["text"]),
    _no("web_search_options", "the server makes no outbound connection", {"a": 1}, *_EMPTY),
    _no("draft_model", "LM Studio's; no speculative decoding yet", "lab/small", *_EMPTY),
    _no("grammar", "llama.cpp's; send guided_grammar in Lark's notation", "root ::= 'a'", *_EMPTY),
    _no("json_schema", "llama.cpp's; send response_format", _SCHEMA, *_EMPTY),
    _no("n_predict", "llama.cpp's; send max_tokens", 5, -1),
    _no("n_probs", "llama.cpp's; send logprobs", 5, 0),
    _no("typical_p", "llama.cpp's sampler", 0.5, 1),
    _no("mirostat", "llama.cpp's sampler", 2, 0),
    _no("dynatemp_range", "llama.cpp's sampler", 0.5, 0),
    _no("dry_multiplier", "llama.cpp's sampler", 0.8, 0),
    _no("xtc_probability", "llama.cpp's sampler", 0.5, 0),
    _no("samplers", "llama.cpp's; the order of samplers is fixed", ["top_k"], []),
    _no("min_tokens", "vLLM's", 5, 0),
    _no("ignore_eos", "vLLM's", True, False),
    _no("stop_token_ids", "vLLM's; send stop", [5], []),
    _no("include_stop_str_in_output", "vLLM's", True, False),
    _no("bad_words", "vLLM's; send logit_bias", ["x"], []),
    _no("allowed_token_ids", "vLLM's; send logit_bias", [5]),
    _no("skip_special_tokens", "vLLM's", False, True),
    _no("spaces_between_special_tokens", "vLLM's", False, True),
    _no("truncate_prompt_tokens", "vLLM's; a prompt is never cut", 5),
    _no("prompt_logprobs", "vLLM's; send echo and logprobs to /v1/completions", 1),
    _no("use_beam_search", "vLLM's", True, False),
    _no("length_penalty", "vLLM's", 0.5, 1),
    _no("guided_whitespace_pattern", "vLLM's", " ?"),
    _no("return_tokens_as_token_ids", "vLLM's", True, False),
)

CHAT = (
    _yes(
        "messages",
        "system, developer, user, assistant, tool; content is text or text parts",
        [{"role": "user", "content": "hello"}],
    ),
    *_ASKED,
    _yes("max_completion_tokens", "wins over max_tokens; -1 for no limit", 5),
    _yes("logprobs", "with bytes; streamed too", True),
    _yes("top_logprobs", "0 to 20, with logprobs", 3, logprobs=True),
    _yes("tools", "up to 128 functions; strict is enforced where a call is forced", [_TOOL]),
    _yes("tool_choice", "none, auto, required or a function by name", "required", tools=[_TOOL]),
    _yes("parallel_tool_calls", "false: at most one call", False, tools=[_TOOL]),
    _yes("chat_template_kwargs", "vLLM's; variables of the chat template", {"a": 1}),
    _yes("reasoning_effort", "handed to the chat template; none switches thinking off", "low"),
    _yes("reasoning", "effort, as reasoning_effort", {"effort": "low"}),
    *_HINTS,
    _hint("prediction", "a hint about speed", {"type": "content", "content": "a"}),
    _hint("prompt_cache_key", "prompts are remembered without it", "k"),
    _hint("prompt_cache_options", "prompts are remembered as the settings say", {"ttl": "30m"}),
    _hint("prompt_cache_retention", "prompts are remembered as the settings say", "24h"),
    _hint("safety_identifier", "no user of the caller is kept", "u1"),
    _hint("verbosity", "no model here was trained to heed it; ask in the prompt", "low"),
    *_REFUSED,
    _no("functions", "send tools, which replaced it", [{"name": "look"}], *_EMPTY),
    _no("function_call", "send tool_choice, which replaced it", {"name": "look"}, "none", "auto"),
    _no("moderation", "the server has no moderation", {"model": "omni"}, *_EMPTY),
    _no("echo", "of /v1/completions only", True, False),
    _no("suffix", "not of this endpoint", "end", ""),
    _no("best_of", "of /v1/completions only", 3, 1),
    _no("add_generation_prompt", "vLLM's; an answer always begins anew", False, True),
    _no("continue_final_message", "vLLM's; an answer always begins anew", True, False),
    _no("add_special_tokens", "vLLM's; the chat template writes them", True, False),
    _no("chat_template", "the model's own is used", "{{ messages }}", ""),
    _no("documents", "vLLM's; write them into a message", [{"text": "a"}], []),
)

COMPLETIONS = (
    _yes("prompt", "text, texts, token ids or lists of them", ["one", "two"]),
    *_ASKED,
    _yes("logprobs", "0 to 20 alternatives with each token", 3),
    _yes("echo", "the prompt comes first, with log probabilities if asked", True),
    _yes("best_of", "only when equal to n", 2, n=2),
    *_HINTS,
    *_REFUSED,
    _no("suffix", "no model fills in the middle yet", "end", ""),
    _no("add_special_tokens", "vLLM's; send token ids to leave them out", False, True),
    *(
        _no(name, "of /v1/chat/completions only", example, *nothing)
        for name, example, nothing in (
            ("tools", [_TOOL], ([],)),
            ("tool_choice", "required", ("none", "auto")),
            ("functions", [{"name": "look"}], ([],)),
            ("function_call", {"name": "look"}, ("none", "auto")),
            ("top_logprobs", 3, (0,)),
            ("reasoning_effort", "low", ()),
            ("chat_template_kwargs", {"a": 1}, ({},)),
        )
    ),
)

ENDPOINTS: Mapping[str, tuple[Field, ...]] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
}

MESSAGE = (
    _yes("role", "system, developer, user, assistant or tool; function was replaced by it", "user"),
    _yes("content", "text, or a list of text parts; null beside calls", "hello"),
    _yes("name", "handed to the chat template; a tool's is found by its call's id", "ann"),
    _yes("tool_calls", "an assistant's; arguments are JSON of an object", []),
    _yes("tool_call_id", "a tool's", "call_1"),
    _yes("reasoning_content", "an assistant's; handed to the chat template", "so"),
    _yes("reasoning", "vLLM's name of reasoning_content", "so"),
    _yes("refusal", "an assistant's; its text where content is null", "I will not."),
    _no("audio", "text only", {"id": "a"}),
    _no("function_call", "send tool_calls, which replaced it", {"name": "f", "arguments": "{}"}),
)
"""The fields of each of `messages`."""

STREAM_OPTIONS = (
    _yes("include_usage", "a last chunk without choices has the usage", True),
    _hint("include_obfuscation", "nothing is added to chunks", True),
    _no("continuous_usage_stats", "vLLM's; the usage comes once", True, False),
)
"""The fields of `stream_options`."""
