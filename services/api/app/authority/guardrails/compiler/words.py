"""A text as words and quantities: lower case, quoted values kept as they were written. Pure."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from app.authority.guardrails.compiler.findings import echo, unclear

LONGEST_TEXT: Final = 2_000
LONGEST_NUMBER: Final = 18
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Word:
    """`text` is in lower case, a quoted value as written. `at` counts characters from 1."""

    text: str
    at: int
    number: Decimal | None = None
    unit: str = ""
    quoted: bool = False

    @property
    def where(self) -> str:
        return f"character {self.at}"


@dataclass(frozen=True, slots=True)
class Quantity:
    """`amount` in the base unit of its `kind`: bytes, a ratio of one, seconds."""

    amount: Decimal
    kind: str
    said: str


_TOKEN: Final = re.compile(r'\s+|"([^"]*)"|“([^”]*)”|([(),;?<>=]+)|([^\s"“”(),;?<>=]+)')
_NUMBER: Final = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)(%|[a-z]+)?")
_ORDINAL: Final = frozenset({"st", "nd", "rd", "th"})

_BYTES: Final = {
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", start=1)},
    **{f"{letter}ib": 1024**power for power, letter in enumerate("kmgt", start=1)},
}
_SECONDS: Final = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), Decimal("0.001")),
    **dict.fromkeys(("s", "sec", "second", "seconds"), Decimal(1)),
    **dict.fromkeys(("min", "minute", "minutes"), Decimal(60)),
    **dict.fromkeys(("h", "hour", "hours"), Decimal(3600)),
    **dict.fromkeys(("d", "day", "days"), Decimal(DAY_S)),
    **dict.fromkeys(("w", "week", "weeks"), Decimal(7 * DAY_S)),
}
_PLAIN: Final = {
    "standard deviations": "deviations",
    "standard deviation": "deviations",
    "sigma": "deviations",
    "per hour": "per hour",
    "an hour": "per hour",
    "every hour": "per hour",
    "times": "times",
    "times per hour": "per hour",
    "times an hour": "per hour",
    "requests": "requests",
    "request": "requests",
    "events": "events",
    "event": "events",
    "tokens per second": "tokens per second",
}
UNITS: Final[Mapping[tuple[str, ...], tuple[str, Decimal]]] = MappingProxyType(
    {
        **{(said,): ("bytes", Decimal(factor)) for said, factor in _BYTES.items()},
        **{(said,): ("time", factor) for said, factor in _SECONDS.items()},
        **{tuple(said.split()): (kind, Decimal(1)) for said, kind in _PLAIN.items()},
        ("%",): ("ratio", Decimal("0.01")),
        ("percent",): ("ratio", Decimal("0.01")),
        ("per", "cent"): ("ratio", Decimal("0.01")),
    }
)
_LONGEST_UNIT: Final = max(len(said) for said in UNITS)


def words_of(text: str) -> tuple[Word, ...]:
    """The words of `text`, and its punctuation that means something.

    Raises:
        IntentUnclear: it is too long, or a quotation has no end.
    """
    if len(text) > LONGEST_TEXT:
        raise unclear(
            f"An intent has at most {LONGEST_TEXT} characters, and this one has {len(text)}: "
            "what is it in one sentence?",
            where="the whole text",
        )
    found: list[Word] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise unclear(
                "Where does the quotation end that begins here?", where=f"character {at + 1}"
            )
        _add(found, match, at + 1)
        at = match.end()
    return tuple(found)


def _add(found: list[Word], match: re.Match[str], at: int) -> None:
    straight, curly, marks, word = match.groups()
    quoted = straight if straight is not None else curly
    if quoted is not None:
        found.append(Word(quoted, at, quoted=True))
    elif marks is not None:
        signs = [marks] if marks[0] in "<>=" else list(marks)
        found += [Word(sign, at + place) for place, sign in enumerate(signs)]
    elif word is not None:
        text = unicodedata.normalize("NFC", word.lower())
        if kept := text.rstrip(".!:") or text.strip("!"):
            found.append(_word(kept, at))


def _word(text: str, at: int) -> Word:
    number = _NUMBER.fullmatch(text)
    if number is None:
        return Word(text, at)
    digits, unit = number.groups()
    if unit is not None and (unit,) not in UNITS and unit not in _ORDINAL:
        return Word(text, at)
    if len(digits) > LONGEST_NUMBER:
        raise unclear(
            f"{echo(text)} has too many digits: which number is meant?", where=f"character {at}"
        )
    return Word(text, at, number=Decimal(digits), unit=unit or "")


def quantity_at(words: tuple[Word, ...], start: int) -> tuple[Quantity, int] | None:
    """The number with its unit that begins at `start`, and where it ends; None: there is none."""
    first = words[start]
    if first.number is None:
        return None
    end = start + 1
    kind, factor = "number", Decimal(1)
    if first.unit in _ORDINAL:
        if end == len(words) or words[end].text != "percentile":
            return None
        kind, end = "percentile", end + 1
    elif first.unit:
        kind, factor = UNITS[(first.unit,)]
    else:
        for size in range(min(_LONGEST_UNIT, len(words) - end), 0, -1):
            unit = UNITS.get(tuple(word.text for word in words[end : end + size]))
            if unit is not None:
                (kind, factor), end = unit, end + size
                break
    said = " ".join(word.text for word in words[start:end])
    return Quantity(first.number * factor, kind, said), end


_FITS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "": ("number",),
        "bytes": ("bytes",),
        "ratio": ("ratio", "number"),
        "days": ("time",),
        "seconds": ("time",),
        "per hour": ("number", "per hour", "times"),
        "requests": ("number", "requests"),
        "events": ("number", "events"),
        "tokens per second": ("number", "tokens per second"),
    }
)
WRITTEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "10",
        "bytes": "20 GB, 500 MB, 20 GiB",
        "ratio": "90 %, 0.9",
        "days": "7 days, 12 hours",
        "seconds": "2 seconds, 500 ms",
        "per hour": "10, 10 per hour",
        "requests": "10, 10 requests",
        "events": "10, 10 events",
        "tokens per second": "10, 10 tokens per second",
    }
)
"""How numbers of each unit are written: what is answered to one that does not fit."""


def in_unit(quantity: Quantity, unit: str) -> int | float | None:
    """The number in the unit of a primitive; None: it does not fit, so nobody knows what is meant.

    A plain number fits a ratio from 0 to 1 only: whether 90 is 90 % or ninefold is not guessed.
    """
    if quantity.kind not in _FITS[unit]:
        return None
    if unit == "ratio" and quantity.kind == "number" and not 0 <= quantity.amount <= 1:
        return None
    return plain(quantity.amount / DAY_S if unit == "days" else quantity.amount)


def plain(amount: Decimal) -> int | float:
    """The nearest number there is; a whole one is an int."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)
