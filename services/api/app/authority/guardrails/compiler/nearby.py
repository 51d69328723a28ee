"""What somebody may have meant by a word that is not known: phrases that look like it. Pure."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

MOST: Final = 5
_NEAR: Final = 0.6
_NEAR_A_PART: Final = 0.75
_LONGEST: Final = 60


def like(word: str, known: Iterable[str]) -> list[str]:
    """At most five, best first; the same on every machine.

    A phrase of several words is near where the whole of it is, or one word of it.
    """
    found = []
    for phrase in sorted(set(known)):
        near = max(_whole(word[:_LONGEST], phrase), _part(word[:_LONGEST], phrase))
        if near:
            found.append((-near, len(phrase.split()), phrase))
    return [phrase for *_, phrase in sorted(found)][:MOST]


def _whole(word: str, phrase: str) -> float:
    near = _ratio(word, phrase, _NEAR)
    return near if near >= _NEAR else 0.0


def _part(word: str, phrase: str) -> float:
    near = max((_ratio(word, each, _NEAR_A_PART) for each in phrase.split()), default=0.0)
    return near if near >= _NEAR_A_PART else 0.0


def _ratio(one: str, other: str, least: float) -> float:
    matcher = SequenceMatcher(None, other, one)
    if matcher.real_quick_ratio() < least or matcher.quick_ratio() < least:
        return 0.0
    return matcher.ratio()
