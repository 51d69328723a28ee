"""The only place that reads and writes what is carried between a log and its witnesses as files."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from app import files
from app.cli import output
from app.cli.outcomes import CommandError

MAX_BYTES: Final = 128 * 1024
"""A note has at most 64 KiB, and a proof in front of it less than 3."""

Taken = Annotated[str, typer.Argument(metavar="FILE", help="What was carried here; - is stdin.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Write it there, not to stdout.")
]


def taken(name: str) -> bytes:
    """Return the file's bytes, at most MAX_BYTES of them."""
    try:
        if name == "-":
            found = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                found = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror or error}.") from error
    if len(found) > MAX_BYTES:
        raise CommandError(f"{name} has more than {MAX_BYTES} bytes: that is no checkpoint.")
    return found


def hand_out(text: str, out: Path | None) -> None:
    """Print a note or write it to a file, byte for byte."""
    if out is None:
        output.exactly(text)
        return
    try:
        files.replace(out, text.encode(), mode=0o644)
    except OSError as error:
        raise CommandError(
            f"{out} cannot be written: {error.strerror or error}. Run the same command again with "
            "another FILE: the answer will be the same."
        ) from error
