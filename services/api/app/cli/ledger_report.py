"""`lmx ledger report`: a saved report as a table, CSV, JSON or a page to print."""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli import output
from app.cli.ledger_questions import Since, Until
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line

if TYPE_CHECKING:
    from app.cli.connection import Server

_REPORTS: Final = "/authority/ledger/reports"
_NAME: Final = re.compile(r"[a-z]{1,40}", re.ASCII)


class Form(StrEnum):
    """How a report is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


def report(
    *,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="REPORT",
            help="model, person, destructive, refusals, access or duties; without it, a list.",
        ),
    ] = None,
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="SUBJECT",
            help="model: a name or digest; person: a person's id or a key's. Others take none.",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    form: Annotated[
        Form, typer.Option("--format", help="csv and json have every row, however many.")
    ] = Form.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write here; must not exist.")
    ] = None,
    bare: Annotated[
        bool, typer.Option("--bare", help="csv: only the columns' names and the rows.")
    ] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Write a saved report, with what it covers and how to verify it. That you read is recorded."""
    from app.cli.connection import connected

    form = Form.JSON if as_json else form
    with connected(server) as authority:
        if name is None:
            _list(authority, as_json=form is Form.JSON)
            return
        if out is not None and (out.is_symlink() or out.exists()):
            raise _exists(out)
        pieces = _pieces(authority, name, form, bare, subject=subject, since=since, until=until)
        _write(pieces, out)


def _list(authority: "Server", *, as_json: bool) -> None:
    from app.cli.connection import rows

    answer = authority.get(_REPORTS)
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("report", "about", "question"),
        [
            tuple(one_line(one.get(name)) for name in ("name", "subject", "question"))
            for one in rows(answer, "reports")
        ],
        empty="There are no reports.",
    )


def _pieces(
    authority: "Server", name: str, form: Form, bare: bool, **asked: str | None
) -> Iterable[str]:
    """The whole report as text, in pieces: those of CSV and JSON come as the rows do."""
    from app.cli import report_forms, report_page

    if not _NAME.fullmatch(name):
        raise CommandError(
            f"{one_line(name)!r} is no report's name: `lmx ledger report` lists them.",
            exit_code=ExitCode.USAGE,
        )

    def ask(**more: Any) -> dict[str, Any]:
        return _patiently(authority, f"{_REPORTS}/{name}", **asked, **more)

    found = report_forms.fetched(ask)
    if form is Form.CSV:
        return report_forms.csv_pieces(found, bare=bare)
    if form is Form.JSON:
        return report_forms.json_pieces(found)
    if form is Form.HTML:
        return [report_page.page(report_forms.capped(found))]
    return report_forms.table_pieces(report_forms.capped(found))


def _patiently(authority: "Server", path: str, **query: Any) -> dict[str, Any]:
    """Sums over a million events take longer than other answers may."""
    from app.cli.connection import parse_object

    said = b"".join(authority.pieces(path, **query))
    return parse_object(said.decode("utf-8", "replace"))


def _write(pieces: Iterable[str], out: Path | None) -> None:
    from app.files import new_file

    if out is None:
        for piece in pieces:
            output.exactly(piece)
        return
    try:
        with new_file(out) as file:
            for piece in pieces:
                file.write(piece.encode("utf-8", "backslashreplace"))
    except FileExistsError as error:
        raise _exists(out) from error
    except OSError as error:
        raise CommandError(
            f"{one_line(out)} could not be written ({one_line(error.strerror)}). Name another file."
        ) from error
    output.note(f"Written to {one_line(out)}.")


def _exists(out: Path) -> CommandError:
    return CommandError(
        f"{one_line(out)} is there already. Name a file that does not exist yet.",
        exit_code=ExitCode.REFUSED,
    )
