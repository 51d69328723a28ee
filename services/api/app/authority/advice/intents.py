"""Reading an intent that an advisor proposes: bounded here. What it means, its compiler says."""

from typing import Any, Final

from app.authority.advice.plain import MOST, invalid, text

MAX_WORDS: Final = 2_000
MAX_DEPTH: Final = 12
MAX_PARTS: Final = 256
MAX_PART: Final = 200


def read_intent(value: object, where: str) -> Any:
    """Text, or an object of objects, lists, texts and numbers. Raises ProposalInvalid."""
    if isinstance(value, str):
        return text(value, where, most=MAX_WORDS)
    if not isinstance(value, dict):
        raise invalid(where, "is neither text nor an object")
    return _Parts(where).copied(value, 1)


class _Parts:
    """Counts what it copies, so that neither breadth nor depth is endless."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = MAX_PARTS

    def copied(self, value: object, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise invalid(self._where, f"has more than {MAX_PARTS} parts or {MAX_DEPTH} levels")
        if isinstance(value, dict):
            return {self._key(key): self.copied(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list):
            return [self.copied(item, depth + 1) for item in value]
        return self._scalar(value)

    def _key(self, key: object) -> str:
        return text(key, f"{self._where}: a key of it", most=MAX_PART)

    def _scalar(self, value: object) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return text(value, self._where, least=0, most=MAX_PART)
        if isinstance(value, int | float) and abs(value) <= MOST:  # which NaN is not
            return value
        raise invalid(self._where, "holds a number that is too large, or something that is no JSON")
