"""The one shape of a benchmark's result, and how it is printed and written."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Figure = int | float


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours, beside what it is compared with and what it was to reach.

    `target` is a sentence for people; `met` was decided by whoever measured. An empty target means
    that the row is there for orientation: nothing is held against it.
    """

    what: str
    ours: Figure
    theirs: Figure | None
    unit: str
    ratio: float | None
    target: str
    met: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        if not self.target:
            return ""
        return "met" if self.met else "MISSED"


def at_least(
    what: str,
    ours: Figure,
    theirs: Figure,
    unit: str,
    *,
    ratio: float,
    measured: float | None = None,
    note: str = "",
) -> Row:
    """A row where more is better: ours over theirs is to reach `ratio`.

    `measured` is the ratio where it was taken round by round instead of from the two figures.
    """
    if measured is None:
        measured = ours / theirs if theirs else 0.0
    return Row(what, ours, theirs, unit, measured, f">= {ratio:.2f}", measured >= ratio, note)


def no_more_than(
    what: str,
    ours: Figure,
    theirs: Figure,
    unit: str,
    *,
    ratio: float = 1.0,
    measured: float | None = None,
    note: str = "",
) -> Row:
    """A row where less is better: ours over theirs must not exceed `ratio`."""
    if measured is None:
        measured = ours / theirs if theirs else float("inf")
    return Row(what, ours, theirs, unit, measured, f"<= {ratio:.2f}", measured <= ratio, note)


def below(what: str, ours: Figure, unit: str, *, limit: Figure, note: str = "") -> Row:
    """A row that is held against a fixed limit, not against somebody else."""
    return Row(what, ours, None, unit, None, f"< {limit:g} {unit}", ours < limit, note)


def above(what: str, ours: Figure, unit: str, *, limit: Figure, note: str = "") -> Row:
    """A row where more is better, held against a fixed limit."""
    return Row(what, ours, None, unit, None, f">= {limit:,} {unit}", ours >= limit, note)


def orientation(
    what: str, ours: Figure, theirs: Figure | None, unit: str, *, note: str = ""
) -> Row:
    """A row without a target."""
    ratio = ours / theirs if theirs else None
    return Row(what, ours, theirs, unit, ratio, "", True, note)


def missed(what: str, unit: str, *, target: str, note: str) -> Row:
    """A row that could not be measured counts as missed, and its note says why."""
    return Row(what, 0, None, unit, None, target, False, note)


COLUMNS = ("what", "ours", "theirs", "unit", "ratio", "target", "", "note")
RIGHT = {"ours", "theirs", "ratio"}


def render(rows: Iterable[Row]) -> str:
    """The table as plain text, as wide as its contents."""
    lines = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    text = [_line(line, widths) for line in lines]
    text.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(text)


def write(path: Path, rows: Sequence[Row], *, about: dict[str, object]) -> None:
    """All rows as JSON, with what is known about the run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "about": about,
        "rows": [{**asdict(row), "verdict": row.verdict} for row in rows],
    }
    path.write_text(json.dumps(body, indent=2) + "\n")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        figure(row.ours),
        "" if row.theirs is None else figure(row.theirs),
        row.unit,
        "" if row.ratio is None else f"{row.ratio:.3f}",
        row.target,
        row.verdict,
        row.note,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if column in RIGHT else cell.ljust(width)
        for cell, width, column in zip(cells, widths, COLUMNS, strict=True)
    ]
    return "  ".join(padded).rstrip()


def figure(value: Figure) -> str:
    """Three figures are enough where they are small, whole numbers where they are not."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
