"""The four shapes of a legacy prompt: text, texts, tokens, lists of tokens."""

from typing import Any

from app.domain.generation import TextPrompt, TokenPrompt
from app.domain.refusals import InvalidRequest

Legacy = TextPrompt | TokenPrompt

_LARGEST_TOKEN = 2**31 - 1


def prompts_of(raw: Any, *, name: str = "prompt") -> list[Legacy]:
    """Every prompt in the field `name`, or InvalidRequest; none of them is empty."""
    if isinstance(raw, str):
        return [_text(raw, name)]
    if isinstance(raw, list) and raw and not _is_token(raw[0]):
        return [_one(item, f"{name}[{position}]") for position, item in enumerate(raw)]
    return [_tokens(raw, name)]


def _one(item: Any, where: str) -> Legacy:
    return _text(item, where) if isinstance(item, str) else _tokens(item, where)


def _text(text: str, where: str) -> TextPrompt:
    if not text:
        raise InvalidRequest(f"{where} must not be empty.", param=where)
    return TextPrompt(text)


def _tokens(raw: Any, where: str) -> TokenPrompt:
    if not isinstance(raw, list) or not raw or not all(_is_token(token) for token in raw):
        raise InvalidRequest(
            f"{where} must be a string, a list of strings, a list of token ids or a list of "
            "lists of token ids, and must not be empty.",
            param=where,
        )
    if not all(0 <= token <= _LARGEST_TOKEN for token in raw):
        raise InvalidRequest(f"{where} contains a token id that no model has.", param=where)
    return TokenPrompt(tuple(raw))


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)
