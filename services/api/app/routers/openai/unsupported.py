"""Refuses by name what a table says this server does not do.

Ignoring any of these would answer a different question than was asked. Values that ask for nothing
pass, and so does everything that stands in no table.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.refusals import InvalidRequest
from app.routers.fields import REFUSED, Field


def refuse_unsupported(table: Sequence[Field], extra: Mapping[str, Any] | None) -> None:
    """Raise InvalidRequest for the first field that asks for something this server can't do."""
    if not extra:
        return
    for field in table:
        if field.support is REFUSED and field.asks(extra.get(field.name)):
            raise InvalidRequest(
                f"{field.name} is not supported by this server ({field.note}), and it will not "
                "pretend: leave it out, or send its default.",
                param=field.name,
            )
