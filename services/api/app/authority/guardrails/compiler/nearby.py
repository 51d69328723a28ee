"""What somebody may have meant by a word that is not known: words that look like it. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches


def like(word: str, known: Iterable[str]) -> list[str]:
    """At most five, best first; the same on every machine."""
    return get_close_matches(word[:60], sorted(set(known)), n=5, cutoff=0.6)
