"""Log probabilities in the two shapes that OpenAI has for them."""

import codecs
from collections.abc import Sequence
from typing import Any

from app.domain.generation import TokenLogprob

_REPLACEMENT = "\ufffd"


def chat_logprobs(logprobs: Sequence[TokenLogprob], asked: int | None) -> dict[str, Any] | None:
    """`choices[].logprobs` of /v1/chat/completions; null unless asked for."""
    if asked is None:
        return None
    return {"content": [_entry(one) for one in logprobs], "refusal": None}


class LegacyLogprobs:
    """`choices[].logprobs` of one choice of /v1/completions, told in one go or bit by bit.

    This shape has no bytes, so a character that several tokens make up is shown with the last of
    them: joined tokens are the text. `text_offset` counts characters of the choice's text.
    """

    def __init__(self, asked: int | None) -> None:
        self._asked = asked
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def of(self, logprobs: Sequence[TokenLogprob], text: str) -> dict[str, Any] | None:
        """Those of the tokens that `text` came with; null unless asked for."""
        if self._asked is None:
            return None
        tokens = [self._decoder.decode(one.text) for one in logprobs]
        if tokens and text.endswith(_REPLACEMENT):  # cut off within a character
            tokens[-1] += self._decoder.decode(b"", final=True)
        told = list(zip(logprobs, tokens, strict=True))
        return {
            "tokens": tokens,
            "token_logprobs": [one.logprob for one in logprobs],
            "top_logprobs": [_top(one, token) for one, token in told] if self._asked else None,
            "text_offset": [self._passed(token) for token in tokens],
        }

    def go_on_at(self, characters: int) -> None:
        """The next token begins there, whatever the tokens before it were shown as."""
        self._at = characters
        self._decoder.reset()

    def _passed(self, token: str) -> int:
        at = self._at
        self._at += len(token)
        return at


def joined(first: dict[str, Any] | None, then: dict[str, Any] | None) -> dict[str, Any] | None:
    """Two parts of one choice's log probabilities as one."""
    if first is None or then is None:
        return then
    return {name: first[name] + then[name] if then[name] is not None else None for name in then}


def _top(one: TokenLogprob, token: str) -> dict[str, float] | None:
    """With the drawn token, called as it is in `tokens`; of two alike the likelier stays."""
    if one.logprob is None:
        return None
    found: dict[str, float] = {}
    for at, text, value in one.top:
        found.setdefault(token if at == one.token else _shown(text), value)
    found.setdefault(token, one.logprob)
    return found


def _entry(one: TokenLogprob) -> dict[str, Any]:
    top = [
        {"token": _shown(text), "logprob": value, "bytes": list(text)} for _, text, value in one.top
    ]
    shown = {"token": _shown(one.text), "logprob": one.logprob, "bytes": list(one.text)}
    return {**shown, "top_logprobs": top}


def _shown(text: bytes) -> str:
    """A token that is no whole character is shown with replacement characters; bytes are exact."""
    return text.decode("utf-8", "replace")


def responses_logprobs(logprobs: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    """`logprobs` of an output_text on /v1/responses; empty unless they were asked for."""
    return [_entry(one) for one in logprobs]
