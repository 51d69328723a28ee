"""`lmx ledger verify`: checks a ledger offline, body to root to what lies outside the database.

It asks no server: it reads this machine's LMX_HOME, a copied database, or an export.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.address import home
from app.cli.options import AsJson
from app.cli.outcomes import CommandError, ExitCode

Progress = Callable[[int, int], None]


def verify(
    *,
    db: Annotated[
        Path | None, typer.Option("--db", metavar="FILE", help="A copied database.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="An export directory.")
    ] = None,
    sink: Annotated[
        list[Path] | None,
        typer.Option("--sink", metavar="FILE", help="A sink's file. May be repeated."),
    ] = None,
    memory: Annotated[
        Path | None, typer.Option("--memory", metavar="FILE", help="The signer's memory.")
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", metavar="FILE", help="A checkpoint kept elsewhere. May be repeated."
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="VKEY", help="A trusted key. May be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check the whole ledger and say which event is wrong and how. Needs no server.

    Without --db or --export it reads the ledger in LMX_HOME, beside a running server too. Exits
    with 0 when everything holds, with 1 when anything does not.
    """
    if export is not None and (db is not None or sink or memory is not None):
        raise _usage("--export is verified by itself: give --key and --checkpoint only.")
    if db is None and memory is not None:
        raise _usage("--memory goes with --db.")
    given = {"sinks": sink or [], "memory": memory, "checkpoints": checkpoint or []}
    with _progress() as progress:
        report = _report(db, export, key or [], given, progress)
    if as_json:
        output.as_json(report.as_dict())
    else:
        _show(report)
    if not report.holds:
        raise typer.Exit(ExitCode.FAILED)


def _report(
    db: Path | None, export: Path | None, keys: list[str], given: dict[str, Any], progress: Progress
) -> Any:
    from app.evidence.notes import NoteInvalid
    from app.evidence.verification import (
        NotReadable,
        TargetInvalid,
        held_in,
        keys_in,
        of_copy,
        of_home,
        verify_database,
        verify_export,
    )

    try:
        trusted = keys_in("\n".join(keys))
        held = [held_in(path) for path in given["checkpoints"]]
        if export is not None:
            return verify_export(export, keys=trusted, held=held, progress=progress)
        if db is None:
            target = of_home(home(os.environ), sinks=given["sinks"], held=held, keys=trusted)
        else:
            target = of_copy(
                db, sinks=given["sinks"], memory=given["memory"], held=held, keys=trusted
            )
        return verify_database(target, progress=progress)
    except NoteInvalid as error:
        raise _usage(f"--key takes a verifier key: {error}.") from error
    except (TargetInvalid, NotReadable) as error:
        raise _usage(str(error)) from error


def _usage(sentence: str) -> CommandError:
    return CommandError(sentence, exit_code=ExitCode.USAGE)


def _show(report: Any) -> None:
    import textwrap

    width = output.width_of(sys.stdout)

    def lines(text: str) -> list[str]:
        return [text] if width is None else textwrap.wrap(text, width, subsequent_indent="  ")

    for finding in report.findings:
        output.say(*lines(f"{finding.part}: {finding.sentence}"))
    if report.count > len(report.findings):
        output.say(f"... and {report.count - len(report.findings):,} more findings.")
    if report.findings:
        output.say("")
    for sentence in report.checked:
        output.say(*lines(f"checked: {sentence}"))
    for sentence in report.unchecked:
        output.say(*lines(f"not checked: {sentence}"))
    output.say("", *lines(report.verdict))
    if report.not_covered:
        output.say(*lines(report.not_covered))


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _done, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("verifying"), BarColumn(bar_width=None), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)
