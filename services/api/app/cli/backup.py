"""`lmx backup`: make a backup of the whole state, read one to its last byte, put one back.

The files are read and written by this program, not by the server, so that answers do not wait for
it. A running server is told of a backup afterwards, and puts it on record.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import backup_restore, output
from app.cli.address import home
from app.cli.backup_shown import bar, show
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode, refused_as_said
from app.cli.text import one_line, size

if TYPE_CHECKING:
    from app.backups import Made

_NICE = 19

app = typer.Typer(
    name="backup", help="Back up the whole state, and put it back.", no_args_is_help=True
)

BackupPath = Annotated[Path, typer.Argument(metavar="DIR", help="A backup's directory.")]


@app.command("create")
def create(
    into: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="Where to make it; else LMX_HOME/backups."),
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Back up database, ledger keys, settings and keys, beside a running server or without one.

    Models' weights are not in it. It holds the operator key and the signing key: keep it as you
    keep those, and on another disk.
    """
    from app.backups import create as make

    place = home(os.environ)
    with refused_as_said(), _held(place) as running, bar("copying") as progress:
        if running:
            os.nice(_NICE)  # the server comes first
        made = make(place, into, progress=progress, politely=running)
    recorded = _record(server, made) if running else "no: no server was running"
    found = made.manifest
    if as_json:
        output.as_json(
            {
                "name": found.name,
                "path": str(made.path),
                "events": found.events,
                "size": found.size,
                "root": found.root,
                "manifest": made.digest,
                "size_bytes": found.size_bytes,
                "models": [{"id": m.id, "digest": m.digest} for m in found.models],
                "on_record": recorded,
            }
        )
        return
    output.show_fields(
        [
            ("backup", str(made.path)),
            ("events", f"{found.events:,}"),
            ("root", f"{found.root} (over {found.size:,} events)"),
            ("size", size(found.size_bytes)),
            ("on record", recorded),
        ]
    )
    if found.models:
        names = ", ".join(one_line(model.id) for model in found.models)
        output.note_wrapped(
            f"Not in it: the weights of {names}. Keep LMX_HOME/store as well, or import again."
        )
    output.note_wrapped("It holds private keys: keep it on another disk, closed to others.")
    output.note(f"Check it where it is kept: lmx backup verify {shlex.quote(str(made.path))}")


@app.command("verify")
def verify(path: BackupPath, as_json: AsJson = False) -> None:
    """Read a backup to its last byte: files, database, ledger. Exits with 1 if anything is wrong.

    It needs no server and changes nothing.
    """
    from app.backups import verify as read

    with bar("verifying") as progress:
        found = read(path, progress=progress)
    if as_json:
        output.as_json(found.as_dict())
    else:
        show(found)
    if not found.holds:
        raise typer.Exit(ExitCode.FAILED)


app.command("restore")(backup_restore.restore)


@contextmanager
def _held(place: Path) -> Iterator[bool]:
    """Whether a server runs; where none does, none starts meanwhile."""
    from app.domain.refusals import StartRefused
    from app.home import hold_home

    if not place.is_dir():
        yield False  # what is missing is said by whoever looks into it
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(hold_home(place))
            running = False
        except StartRefused:
            running = True
        yield running


def _record(server: str, made: "Made") -> str:
    from app.cli.connection import connected

    found = made.manifest
    said = {
        "name": found.name,
        "manifest": made.digest,
        "size": found.size,
        "root": found.root,
        "size_bytes": found.size_bytes,
    }
    try:
        with connected(server) as authority:
            answer = authority.post("/authority/backups", said)
    except CommandError as error:
        return f"no: {error.sentence}"
    return f"yes, event {one_line(answer.get('event'))}"
