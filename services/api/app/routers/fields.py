"""What becomes of a field that a client sends: each surface keeps a table of these.

The tables are tested row by row, and docs/contract.md is made from them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Support(StrEnum):
    SUPPORTED = "supported"
    IGNORED = "ignored"
    REFUSED = "refused"


SUPPORTED, IGNORED, REFUSED = Support.SUPPORTED, Support.IGNORED, Support.REFUSED


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an endpoint. `note` says what is special about it here."""

    name: str
    support: Support
    note: str = ""


def harmless(value: Any) -> bool:
    """Whether a value asks for nothing, so that a refused field that holds it passes."""
    return value is None or value is False or value in ("", [], {})
