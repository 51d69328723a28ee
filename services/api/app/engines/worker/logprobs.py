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
        self._text = TokenText(language)

    def entry(self, token: int, row: Row, gained: str) -> TokenLogprob:
        numbers = self._numbers_of(row)
        return TokenLogprob(
            token,
            self._text.of(token, gained),
            told(numbers[token]),
            likeliest(self._language, numbers, self._count),
        )


class TokenText:
    """The bytes of each token of one answer; joined they are the answer's text.

    What a token adds depends on where it stands (a leading space is dropped at the start), so its
    own bytes count only while a character is unfinished.
    """

    def __init__(self, language: Language) -> None:
        self._language = language
        self._unfinished = False

    def of(self, token: int, gained: str) -> bytes:
        own = self._language.bytes_of(token)
        whole = bool(gained) and not self._unfinished and is_text(own)
        self._unfinished = bool(own) and not gained
        return gained.encode() if whole else own


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


def is_text(found: bytes) -> bool:
    """Whether these bytes are whole characters."""
    try:
        found.decode()
    except UnicodeDecodeError:
        return False
    return True


def shown(language: Language, token: int) -> bytes:
    """The bytes of a token that was not drawn; a control token by its name."""
    return language.bytes_of(token) or language.decode([token]).encode("utf-8", "replace")


def told(number: Any) -> float:
    """JSON has no infinities."""
    return max(float(number), LEAST_LOGPROB) if number == number else LEAST_LOGPROB  # noqa: PLR0124
