"""The only place that writes to the terminal: results to stdout, everything else to stderr."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, Final

from app.cli import text

_DIM: Final = "\x1b[2m"
_PROMPT: Final = "\x1b[1;36m"
_PLAIN: Final = "\x1b[0m"


def say(*lines: str) -> None:
    """A part of the result."""
    for line in lines:
        sys.stdout.write(text.clean(line) + "\n")


def stream(piece: str) -> None:
    """A piece of a model's answer, shown at once."""
    sys.stdout.write(text.clean(piece))
    sys.stdout.flush()


def exactly(text: str) -> None:
    """A result that other programs check byte for byte: UTF-8, whatever this terminal speaks."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def note(line: str) -> None:
    """Something about the result: a warning, progress, an error's sentence."""
    sys.stderr.write(text.clean(line) + "\n")
    sys.stderr.flush()


def note_wrapped(sentences: str) -> None:
    """As `note`; a terminal gets its words whole."""
    for line in sentences.split("\n"):
        for part in text.paragraph(line, width=width_of(sys.stderr)):
            note(part)


def note_list(lines: Sequence[str]) -> None:
    """Several things to look at, each on its own line, wrapped for a narrow terminal."""
    for line in lines:
        for part in text.fields([("  -", line)], width=width_of(sys.stderr)):
            note(part)


def aside(line: str) -> None:
    """Something beside a conversation: dim where the terminal has colours."""
    said = "\n".join(text.paragraph(text.clean(line), width=width_of(sys.stderr)))
    sys.stderr.write(f"{_DIM}{said}{_PLAIN}\n" if in_colour(sys.stderr) else f"{said}\n")
    sys.stderr.flush()


def prompt() -> None:
    sys.stderr.write(f"{_PROMPT}> {_PLAIN}" if in_colour(sys.stderr) else "> ")
    sys.stderr.flush()


def prompt_text() -> str:
    """As `prompt`, for a line editor: it has to know what takes no room on the line."""
    return f"\x01{_PROMPT}\x02> \x01{_PLAIN}\x02" if in_colour(sys.stdout) else "> "


def in_colour(out: IO[str]) -> bool:
    """Where somebody looks, who has not said NO_COLOR, on a terminal that knows colours."""
    return (
        out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    )


def as_json(value: Any) -> None:
    """The result for machines. Escaped to ASCII, so no terminal can be tricked by it."""
    body = json.dumps(value, ensure_ascii=True, indent=2)
    sys.stdout.write(body.replace("\x7f", "\\u007f") + "\n")


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    empty: str,
    right: frozenset[str] = frozenset(),
    narrow: text.Narrow | None = None,
) -> None:
    width = width_of(sys.stdout)
    lines = text.table(columns, list(rows), width=width, right=right, narrow=narrow)
    if lines:
        say(*lines)
    else:
        note(empty)


def show_fields(rows: Sequence[tuple[str, str]]) -> None:
    say(*text.fields(rows, width=width_of(sys.stdout)))


def note_fields(rows: Sequence[tuple[str, str]]) -> None:
    """As `show_fields`, about the result: to stderr."""
    for line in text.fields(rows, width=width_of(sys.stderr)):
        note(line)


def width() -> int | None:
    """Columns of the terminal that results go to; None where there is none."""
    return width_of(sys.stdout)


def width_of(out: IO[str]) -> int | None:
    """Columns of the terminal; None where there is none, so that files get whole lines."""
    return shutil.get_terminal_size().columns if out.isatty() else None


def prepare_streams() -> None:
    """A closed stream is an empty one; a terminal without UTF-8 shows question marks."""
    sys.stdin = sys.stdin or _nothing("r")
    sys.stdout = sys.stdout or _nothing("w")
    sys.stderr = sys.stderr or _nothing("w")
    for out in (sys.stdout, sys.stderr):
        reconfigure = getattr(out, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def reader_went_away() -> None:
    """Keep Python's own flush at exit quiet after `lmx … | head` has had enough."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


def _nothing(mode: str) -> IO[str]:
    return Path(os.devnull).open(mode, encoding="utf-8")
