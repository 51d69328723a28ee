"""Log probabilities in the two shapes that OpenAI has for them."""

from collections.abc import Sequence
from typing import Any

from app.domain.generation import TokenLogprob


def chat_logprobs(logprobs: Sequence[TokenLogprob], asked: int | None) -> dict[str, Any] | None:
    """`choices[].logprobs` of /v1/chat/completions; null unless asked for."""
    if asked is None:
        return None
    return {"content": [_entry(one) for one in logprobs], "refusal": None}


def legacy_logprobs(
    logprobs: Sequence[TokenLogprob], asked: int | None, offset: int
) -> dict[str, Any] | None:
    """`choices[].logprobs` of /v1/completions, `offset` characters into the text."""
    if asked is None:
        return None
    offsets, at = [], offset
    for one in logprobs:
        offsets.append(at)
        at += len(_shown(one.text))
    return {
        "tokens": [_shown(one.text) for one in logprobs],
        "token_logprobs": [one.logprob for one in logprobs],
        "top_logprobs": [
            None if one.logprob is None else {_shown(text): value for _, text, value in one.top}
            for one in logprobs
        ]
        if asked
        else None,
        "text_offset": offsets,
    }


def _entry(one: TokenLogprob) -> dict[str, Any]:
    top = [
        {"token": _shown(text), "logprob": value, "bytes": list(text)} for _, text, value in one.top
    ]
    shown = {"token": _shown(one.text), "logprob": one.logprob, "bytes": list(one.text)}
    return {**shown, "top_logprobs": top}


def _shown(text: bytes) -> str:
    """A token that is no whole character is shown with replacement characters; bytes are exact."""
    return text.decode("utf-8", "replace")
