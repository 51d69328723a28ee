"""Log probabilities of tokens as clients are told them, whichever engine they come from."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from app.domain.generation import LEAST_LOGPROB, TokenLogprob
from app.engines.worker.language import Language

Row = Any
"""Log probabilities over the vocabulary, as an engine has them."""
Numbers = npt.NDArray[np.float32]


class Telling(Protocol):
    """Makes the entry of each token of one answer, in order."""

    def entry(self, token: int, row: Row, gained: str) -> TokenLogprob:
        """`gained` is the text that the token completed."""


class RowTelling:
    """For engines that have a whole row over the vocabulary. `numbers_of` makes it NumPy's."""

    def __init__(
        self, language: Language, *, count: int, numbers_of: Callable[[Row], Numbers]
    ) -> None:
        self._language = language
        self._count = count
        self._numbers_of = numbers_of

    def entry(self, token: int, row: Row, gained: str) -> TokenLogprob:
        numbers = self._numbers_of(row)
        return TokenLogprob(
            token,
            text_of(self._language.bytes_of(token), gained),
            told(numbers[token]),
            likeliest(self._language, numbers, self._count),
        )


def text_of(own: bytes, gained: str) -> bytes:
    """What a token says: its own bytes, but what it gained where that is less.

    A tokenizer may drop the space that a text begins with. Joined over an answer, this is its text.
    """
    try:
        return gained.encode() if gained and own.decode().endswith(gained) else own
    except UnicodeDecodeError:
        return own


def likeliest(
    language: Language, numbers: Numbers, count: int
) -> tuple[tuple[int, bytes, float], ...]:
    """The `count` likeliest tokens, best first; equally likely ones by their number."""
    if count == 0:
        return ()
    count = min(count, len(numbers))
    found = np.argpartition(-numbers, count - 1)[:count]
    order = sorted((int(token) for token in found), key=lambda token: (-numbers[token], token))
    return tuple((token, shown(language, token), told(numbers[token])) for token in order)


def shown(language: Language, token: int) -> bytes:
    """The bytes of a token that was not drawn; a control token by its name."""
    return language.bytes_of(token) or language.decode([token]).encode("utf-8", "replace")


def told(number: Any) -> float:
    """JSON has no infinities."""
    return max(float(number), LEAST_LOGPROB) if number == number else LEAST_LOGPROB  # noqa: PLR0124
