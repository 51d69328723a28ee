"""The only place that makes text safe and legible: no control characters, sizes, times, tables."""

import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

# Invisible, though Unicode files them under letters and marks.
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0")
# Control, format (bidi, zero width, tags), surrogate, private use, line and paragraph separators.
_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def clean(text: str, *, keep: str = "\n\t") -> str:
    """`text` without what could move the cursor, reorder words or hide some of them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c in keep or not _hides(c))


def visible(text: str) -> str:
    """`text` on one line, with what `clean` takes away shown as an escape, as in \\n or \\u202e."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(c) if _hides(c) else c for c in text)


def one_line(value: object) -> str:
    """Any value of the server's as one safe line; what is absent is a dash."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(one_line(v) for v in value) or "-"
    return " ".join(clean(str(value)).split())


def size(count: object) -> str:
    """Bytes as people read them; anything that is no byte count as it is."""
    if not isinstance(count, int) or isinstance(count, bool):
        return one_line(count)
    if abs(count) < 1024:
        return f"{count} B"
    power = min(len(_UNITS), (abs(count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def exact_bytes(count: object) -> str:
    if not isinstance(count, int) or isinstance(count, bool):
        return one_line(count)
    return f"{count:,} B"


def utc_time(micros: object) -> str:
    """Microseconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    if not isinstance(micros, int) or isinstance(micros, bool):
        return one_line(micros)
    try:
        moment = datetime.fromtimestamp(micros // 1_000_000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return str(micros)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros % 1_000_000 // 1000:03d}Z"


def utc_seconds(seconds: object) -> str:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        return one_line(seconds)
    return utc_time(seconds * 1_000_000).replace(".000Z", "Z")


def duration(seconds: object) -> str:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        return one_line(seconds)
    whole = int(seconds)
    parts = [(whole // 86400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    shown = [f"{n} {unit}" for n, unit in parts if n]
    return " ".join((shown or [f"{whole} s"])[:2])


def fields(rows: Sequence[tuple[str, str]], *, width: int | None) -> list[str]:
    """Label and value, one under the other, values aligned and wrapped."""
    margin = max((len(label) for label, _ in rows), default=0) + 2
    lines: list[str] = []
    for label, value in rows:
        lines += _hanging(f"{label:<{margin}}", value, width=width, indent=margin)
    return lines


def paragraph(value: str, *, width: int | None, margin: str = "") -> list[str]:
    """Wrapped text, each line after `margin`; a non-breaking space does not break."""
    lines = _hanging(margin, value, width=width, indent=len(margin))
    return [line.replace("\u00a0", " ") for line in lines]


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a table gives up where it is wider than the terminal, before it becomes blocks.

    `short`: columns of which so many characters say enough. `clip`: columns that may end in `...`,
    and how wide each stays. `leave_out`: columns to do without, the first of them first.
    """

    short: Mapping[str, int] = field(default_factory=dict)
    clip: Mapping[str, int] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    width: int | None,
    right: frozenset[str] = frozenset(),
    narrow: Narrow | None = None,
) -> list[str]:
    """Columns where they fit into `width`; else each row as a short block, for a phone."""
    if not rows:
        return []
    if width is None or _total(_widths(columns, rows)) <= width:
        return _aligned(columns, rows, right)
    fitting = next(_fitting(columns, rows, width, narrow), None) if narrow else None
    if fitting is None:
        return _blocks(columns, rows, width=width)
    missing = [name for name in columns if name not in fitting[0]]
    said = f"(not shown: {', '.join(missing)}; --json has all)"
    return [
        *_aligned(*fitting, right),
        *(_hanging("", said, width=width, indent=2) if missing else ()),
    ]


def pick(row: Mapping[str, Any], *path: str) -> Any:
    """A value inside nested objects of the server's; None where any step is absent."""
    found: Any = row
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list of the server's; whatever else stands there is left out."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(c), *(len(row[i]) for row in rows)) for i, c in enumerate(columns)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _aligned(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str]
) -> list[str]:
    widths = _widths(columns, rows)

    def line(cells: Sequence[str]) -> str:
        padded = (
            f"{cell:>{w}}" if column in right else f"{cell:<{w}}"
            for cell, w, column in zip(cells, widths, columns, strict=True)
        )
        return "  ".join(padded).rstrip()

    return [line([c.upper() for c in columns]), *map(line, rows)]


def _fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, narrow: Narrow
) -> Iterator[tuple[Sequence[str], Sequence[Sequence[str]]]]:
    """The table made to fit, the one that gives up least first."""
    short = [
        [cell[: narrow.short.get(c)] for c, cell in zip(columns, row, strict=True)] for row in rows
    ]
    for gone in range(len(narrow.leave_out) + 1):
        kept = [i for i, c in enumerate(columns) if c not in narrow.leave_out[:gone]]
        names, cells = [columns[i] for i in kept], [[row[i] for i in kept] for row in short]
        room = _room(names, _widths(names, cells), width, narrow.clip)
        if _total(room) <= width:
            yield names, [list(map(_cut, row, room)) for row in cells]


def _room(
    columns: Sequence[str], widths: Sequence[int], width: int, clip: Mapping[str, int]
) -> list[int]:
    """How wide each column is to be: what may be cut off gives way, the widest of it first."""
    room = list(widths)
    while _total(room) > width:
        wide = [i for i, c in enumerate(columns) if room[i] > max(clip.get(c, room[i]), len(c))]
        if not wide:
            break
        room[max(wide, key=room.__getitem__)] -= 1
    return room


def _cut(cell: str, width: int) -> str:
    return cell if len(cell) <= width else f"{cell[: width - 3]}..."


def _blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], *, width: int) -> list[str]:
    lines: list[str] = []
    for row in rows:
        lines += _hanging("", row[0], width=width, indent=2)
        rest = [(c, v) for c, v in zip(columns[1:], row[1:], strict=True) if v != "-"]
        lines += [f"  {line}" for line in fields(rest, width=width - 2)]
    return lines


def _hanging(first: str, value: str, *, width: int | None, indent: int) -> list[str]:
    if width is None:
        return [(first + value).rstrip()]
    # Never narrower than ten characters of text: a terminal that small shows a ragged edge.
    room = max(width, indent + 10)
    wrapped = textwrap.wrap(
        value,
        width=room,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,  # names have them, and are to be copied
    )
    return wrapped or [first.rstrip()]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _hides(character: str) -> bool:
    return character in _BLANKS or unicodedata.category(character) in _UNSAFE
