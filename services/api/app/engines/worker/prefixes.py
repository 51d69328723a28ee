"""Prompts that were read before: caches of keys and values, found again by their tokens."""

from collections.abc import Sequence
from typing import Any


class Prefixes:
    """Not done yet: remembers nothing."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes

    @property
    def wanted(self) -> bool:
        """Whether anything can be remembered at all."""
        return False

    def take(
        self,
        scope: str,  # noqa: ARG002 - not done yet
        tokens: Sequence[int],  # noqa: ARG002
    ) -> tuple[list[Any] | None, int]:
        """A cache of its own for the longest known beginning of `tokens`, and its length.

        The last token is never part of it: somebody has to read that one.
        """
        return None, 0

    def put(self, scope: str, tokens: Sequence[int], cache: list[Any]) -> None:
        """Remember the cache that reading `tokens` left."""

    def shrink(self, to_bytes: int) -> None:
        """Forget until at most `to_bytes` are held."""
