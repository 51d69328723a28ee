"""`lmx ledger export`: a directory that somebody else can verify without this server.

Everything that arrives is checked against the checkpoint before the directory gets its name, so an
export that was cut off never looks like one that was finished.
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli import output
from app.cli.export_files import Begun, finish
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line

if TYPE_CHECKING:
    from app.cli.connection import Server
    from app.cli.export_tree import TreeWriter

_NEVER: Final = "Nothing was kept: do not trust this server's ledger before you know why."


def export(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where to; must be new or empty.")
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="DATE|SEQ",
            help="Bodies from this event, or from this UTC date or time, on. Default: all.",
        ),
    ] = None,
    purpose: Annotated[
        str | None, typer.Option("--purpose", metavar="TEXT", help="What for; it is recorded.")
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Export the ledger as tiles with the program that verifies them. That you did is recorded."""
    from app.cli.connection import connected

    _refuse_unless_empty(out)
    asked = _since(since)
    with connected(server) as authority, _part(out) as part:
        begun = _begin(authority, asked, purpose)
        tree = _fetch(authority, begun, part)
        _fetch_blobs(authority, begun, part)
        manifest = finish(part, begun, tree, asked)
        os.sync()  # all of it is on the disk before it gets its name
        part.rename(out)
    if as_json:
        output.as_json({"directory": str(out), **manifest})
        return
    output.show_fields(
        [
            ("exported", f"events {begun.first_seq} to {begun.size}, hashes of all {begun.size}"),
            ("evidence", f"{len(begun.blobs)} pieces"),
            ("root", manifest["root"]),
            ("directory", one_line(out)),
            ("verify", one_line(f"python {out / 'verify.py'}")),
        ]
    )


def _refuse_unless_empty(out: Path) -> None:
    if (
        out.is_symlink()
        or (out.exists() and not out.is_dir())
        or (out.is_dir() and any(out.iterdir()))
    ):
        raise CommandError(
            f"{one_line(out)} is not empty. Name a directory that does not exist yet.",
            exit_code=ExitCode.REFUSED,
        )


@contextmanager
def _part(out: Path) -> Iterator[Path]:
    """A directory beside `out` that goes away again unless it was renamed."""
    part = out.with_name(f"{out.name}.part-{secrets.token_hex(4)}")
    part.mkdir(mode=0o700, parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _since(text: str | None) -> int | str | None:
    """An event's number, or else a date or time, which the server reads."""
    return int(text) if text and text.isascii() and text.isdigit() else text


def _begin(authority: "Server", since: int | str | None, purpose: str | None) -> Begun:
    answer = authority.post(
        "/authority/ledger/exports", {"since": since, "purpose": purpose}, patient=True
    )
    from app.evidence.checkpoints import CheckpointInvalid, SignedCheckpoint
    from app.evidence.notes import ED25519, NoteInvalid, VerifierKey

    try:
        keys = [VerifierKey.parse(key) for key in _texts(answer, "keys")]
        logs = [key for key in keys if key.type == ED25519]
        note = str(answer["checkpoint"])
        further = {text: SignedCheckpoint.parse(text, *logs) for text in _texts(answer, "notes")}
        begun = Begun(
            event=int(answer["event"]),
            from_seq=int(answer["from_seq"]),
            first_bundle=int(answer["first_bundle"]),
            checkpoint=SignedCheckpoint.parse(note, *logs),
            note=note,
            keys=tuple(map(str, keys)),
            further=further,
            blobs=tuple(_texts(answer, "blobs")),
        )
    except (KeyError, ValueError, TypeError, NoteInvalid, CheckpointInvalid) as error:
        raise CommandError(
            f"What the server says of its ledger does not hold ({one_line(error)}). {_NEVER}"
        ) from error
    origins = {begun.checkpoint.checkpoint.origin, *(n.checkpoint.origin for n in further.values())}
    bodies_from = begun.first_seq <= begun.from_seq <= begun.event <= begun.size
    if len(origins) != 1 or not bodies_from or any(not _is_digest(blob) for blob in begun.blobs):
        raise CommandError(f"What the server says of its ledger contradicts itself. {_NEVER}")
    return begun


def _fetch(authority: "Server", begun: Begun, part: Path) -> "TreeWriter":
    from app.cli.export_tree import TreeWriter, fetch_tree

    sizes = [signed.checkpoint.size for signed in begun.further.values()]
    tree = TreeWriter(part, sizes)

    def fetch(of: str, query: Any) -> Iterator[bytes]:
        return authority.pieces("/authority/ledger/bundles", of=of, **query)

    with _progress(begun.size) as told:
        fetch_tree(tree, fetch, first_bundle=begun.first_bundle, size=begun.size, told=told)
    for signed in (begun.checkpoint, *begun.further.values()):
        held = signed.checkpoint
        found = tree.root if held.size == tree.size else tree.roots.get(held.size)
        if found != held.root:
            raise CommandError(
                f"The events that the server sent are not those of its checkpoint over {held.size} "
                f"events. {_NEVER}"
            )
    return tree


def _fetch_blobs(authority: "Server", begun: Begun, part: Path) -> None:
    (part / "blobs").mkdir()
    for digest in begun.blobs:
        found = hashlib.sha256()
        with (part / "blobs" / digest).open("wb") as file:
            for piece in authority.pieces(f"/authority/ledger/blobs/{digest}"):
                found.update(piece)
                file.write(piece)
        if found.hexdigest() != digest:
            raise CommandError(f"The evidence {digest} came with other bytes. {_NEVER}")


def _texts(answer: dict[str, Any], name: str) -> list[str]:
    found = answer[name]
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"`{name}` is not a list of texts")
    return found


def _is_digest(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere; it is told how many events are there."""
    import sys

    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("events"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=size)
        yield lambda done: progress.update(task, completed=done)
