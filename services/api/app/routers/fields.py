"""What becomes of a field that a client sends: each surface keeps a table of these.

The tables are tested row by row, and docs/contract.md is made from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Support(StrEnum):
    SUPPORTED = "supported"
    IGNORED = "ignored"
    REFUSED = "refused"


SUPPORTED, IGNORED, REFUSED = Support.SUPPORTED, Support.IGNORED, Support.REFUSED


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an endpoint. `note` says what is special about it here.

    `example` is a value that asks for something, sent `beside` other fields. `nothing` are the
    values of a refused field that ask for nothing; null always is one.
    """

    name: str
    support: Support
    note: str = ""
    example: Any = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    nothing: tuple[Any, ...] = ()

    def asks(self, value: Any) -> bool:
        """Whether a value asks for something; null and those that ask for nothing do not."""
        return value is not None and not any(_same(value, nothing) for nothing in self.nothing)


def _same(value: Any, nothing: Any) -> bool:
    """Equal as JSON: 0 and false differ (`logprobs: 0` asks for log probabilities)."""
    return isinstance(value, bool) == isinstance(nothing, bool) and bool(value == nothing)
