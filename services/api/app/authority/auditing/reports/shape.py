"""The only place that says what a report is made of: columns, rows, tables of sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]
"""Values by the names of the columns: text, integers, None, or a list of texts."""


class Form(StrEnum):
    """How the values of a column are to be read."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    """Microseconds of UTC since 1970."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name for programs, its label for people."""

    name: str
    label: str
    form: Form = Form.TEXT

    def as_dict(self) -> dict[str, str]:
        return {"name": self.name, "label": self.label, "form": str(self.form)}


@dataclass(frozen=True, slots=True)
class Table:
    """A small table beside the rows: sums, or what a word in them means."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def as_dict(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "columns": [column.as_dict() for column in self.columns],
            "rows": [dict(row) for row in self.rows],
        }


def number(name: str, label: str) -> Column:
    return Column(name, label, Form.NUMBER)


def time(name: str, label: str) -> Column:
    return Column(name, label, Form.TIME)
