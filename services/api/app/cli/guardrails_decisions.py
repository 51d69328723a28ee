"""`lmx guardrails`: what was decided, why, and whether the record still gives the same result."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.guardrails_shown import ROOT, Cursor, Limit, note_more, path
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import Narrow, one_line, utc_time

_SHORT = 12
_LISTED = 20
_NARROW = Narrow(
    short={"decision": 8, "time": len("2026-01-31T12:00")},
    clip={"fired": 12, "subject": 12},
    leave_out=("actor",),
)
_REST = ("at_us", "point", "subject", "actor", "outcome", "id")


def decisions(  # noqa: PLR0917 - the options of a command
    task: Annotated[
        str | None, typer.Option("--task", metavar="ID", help="Where this task was asked.")
    ] = None,
    point: Annotated[
        str | None, typer.Option("--point", metavar="P", help="One point only, as load or tick.")
    ] = None,
    outcome: Annotated[
        str | None, typer.Option("--outcome", metavar="O", help="One only, as block or allow.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List what guardrails decided, newest first; that nothing fired too. Times are UTC."""
    from app.cli.connection import connected, rows

    asked = {"task": task, "point": point, "outcome": outcome, "cursor": cursor, "limit": limit}
    with connected(server) as authority:
        answer = authority.get(f"{ROOT}/decisions", **asked)
    found = rows(answer, "decisions")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("decision", "time", "point", "outcome", "fired", "subject", "actor"),
        map(_row, found),
        empty="No decision is like that.",
        narrow=_NARROW,
    )
    note_more(answer)


def explain(
    decision: Annotated[
        str, typer.Argument(metavar="DECISION", help="Its id, or six or more digits of it.")
    ],
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Say why a decision came out as it did, in a sentence for each guardrail that was asked."""
    from app.cli.connection import connected

    with connected(server) as authority:
        answer = authority.get(path("decisions", decision))
    if as_json:
        output.as_json(answer)
        return
    sentences = answer.get("sentences")
    said = sentences if isinstance(sentences, list) else []
    for sentence in said or ["No guardrail was asked."]:
        output.show_fields([("", one_line(sentence))])
    output.say("")
    output.show_fields([(_label(name), _about(name, answer.get(name))) for name in _REST])


def replay(
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="T", help="From this time on: 2026-01-31 or RFC 3339."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="T", help="Before this time; a date's day is included."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="The newest so many.")
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Decide recorded decisions again from their records. Exits with 1 where one differs."""
    from app.cli.connection import connected, rows

    body = {"since": since, "until": until, "limit": limit}
    with connected(server) as authority:
        answer = authority.post(f"{ROOT}/replay", body, patient=True)
    different = rows(answer, "different")
    missing = answer.get("missing") or []
    if as_json:
        output.as_json(answer)
    else:
        output.show_fields(
            [(name, one_line(answer.get(name))) for name in ("checked", "identical")]
        )
        for row in different[:_LISTED]:
            output.show_fields([(one_line(row.get("id"))[:_SHORT], _differences(row))])
        if len(different) > _LISTED:
            output.say(f"and {len(different) - _LISTED} more; --json lists all")
        if missing:
            output.show_fields([("missing", one_line(missing))])
    if different or missing or answer.get("identical") != answer.get("checked"):
        raise CommandError(
            f"Only {one_line(answer.get('identical'))} of {one_line(answer.get('checked'))} "
            "decisions come out the same, and nothing of them may be missing. Keep a copy of "
            "LMX_HOME, then: lmx ledger verify",
            exit_code=ExitCode.FAILED,
        )


def register(app: typer.Typer) -> None:
    for command in (decisions, explain, replay):
        app.command(command.__name__)(command)


def _label(name: str) -> str:
    return {"at_us": "time", "id": "decision"}.get(name, name)


def _about(name: str, found: Any) -> str:
    return utc_time(found) if name == "at_us" else one_line(found)


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        one_line(row.get("id"))[:_SHORT],
        utc_time(row.get("at_us")),
        *(one_line(row.get(name)) for name in ("point", "outcome", "fired", "subject", "actor")),
    )


def _differences(row: Mapping[str, Any]) -> str:
    found = row.get("differences")
    return "; ".join(map(one_line, found)) if isinstance(found, list) else one_line(found)
