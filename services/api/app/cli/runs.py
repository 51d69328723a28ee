"""`lmx runs`: every attempt at a governed act, one of them, and why two came out differently."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, pick, size, utc_time

if TYPE_CHECKING:
    from app.cli.connection import Server

app = typer.Typer(
    name="runs", help="Attempts: what was asked, decided and done.", no_args_is_help=True
)

_RUNS: Final = "/authority/runs"
_SHORT: Final = 12
"""Hex digits of a digest that are shown; two runs that share them are not to be expected."""
_COLUMNS: Final = ("run", "seq", "time", "act", "outcome", "subject", "actor")
_FILTERS: Final = (
    "since",
    "until",
    "act",
    "subject",
    "model",
    "actor",
    "person",
    "outcome",
    "plan",
)
_MOST: Final = 500
_LISTED: Final = 60
"""Differences that are shown to a person; --json has all the server lists."""

Name = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Its digest, six or more digits of it, or its event's number."
    ),
]


@app.command("ls")
def ls(
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="T", help="Only from this time on: 2026-01-31 or RFC 3339, UTC."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", metavar="T", help="Only before this time; a date's day is included."
        ),
    ] = None,
    act: Annotated[
        str | None,
        typer.Option("--act", metavar="A", help="One act only, as model.load or model_delete."),
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--subject", metavar="S", help="One model or key only.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="One model only.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option("--actor", metavar="A", help="One actor's id only.")
    ] = None,
    person: Annotated[
        str | None,
        typer.Option("--person", metavar="P", help="One person's id only, whatever key."),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option("--outcome", metavar="O", help="One outcome only, as loaded or refused."),
    ] = None,
    plan: Annotated[str | None, typer.Option("--plan", metavar="ID", help="One plan only.")] = None,
    cursor: Annotated[
        int | None,
        typer.Option("--cursor", metavar="N", min=1, help="Go on after a page that ended so."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=_MOST, help="At most so many.")
    ] = 20,
    total: Annotated[bool, typer.Option("--total", help="Say how many there are in all.")] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first. Times are UTC."""
    from app.cli.connection import connected

    options = locals()
    asked = {name: options[name] for name in _FILTERS if options[name] is not None}
    asked |= {"total": "true"} if total else {}
    with connected(server) as authority:
        answer = _page(authority, asked, cursor=cursor, limit=limit)
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        _COLUMNS,
        map(_row, answer["runs"]),
        empty="No run is like that.",
        right=frozenset({"seq"}),
    )
    if total:
        output.say(f"total  {one_line(answer.get('total'))}")
    if isinstance(answer.get("next"), int):
        output.note(f"There may be more: --cursor {answer['next']}")
    if altered := answer.get("altered_at"):
        output.note(f"The record was altered at {one_line(altered)}: `lmx ledger verify` says how.")


@app.command("show")
def show(run: Name, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show one run: who asked for what, what was decided and what came of it.

    The server hashes its bytes again, and the ledger holds their digest.
    """
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(_path(run))
    if as_json:
        output.as_json(answer)
        return
    body = answer.get("run")
    kept: Mapping[str, Any] = body if isinstance(body, dict) else {}
    output.show_fields([(label, value) for label, value in _told(answer, kept) if value != "-"])
    for name in _PARTS:
        part = kept.get(name)
        if part:
            output.say("", f"{name}:")
            output.show_fields(list(_lines(part)))
    events = rows(answer, "events")
    output.say("", "In the ledger:")
    output.show_table(
        ("seq", "time", "kind"),
        [
            (one_line(e.get("seq")), utc_time(e.get("ts_utc_us")), one_line(e.get("kind")))
            for e in events
        ],
        empty="",
        right=frozenset({"seq"}),
    )
    commands = answer.get("verify")
    if isinstance(commands, list):
        output.say("", "Check it:", *(f"  {one_line(command)}" for command in commands))


@app.command("diff")
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A run, as for show: the earlier one.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The run to compare it with.")],
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Say why run B came out otherwise than run A: what explains most first, then all of it."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(_path(a, b))
    if as_json:
        output.as_json(answer)
        return
    changes = rows(answer, "changes")
    output.show_fields([(end, _headline(pick(answer, end))) for end in ("a", "b")])
    if not changes:
        output.say("", "The two are the same.")
        return
    sentences = answer.get("sentences")
    if isinstance(sentences, list) and sentences:
        output.say("")
        output.show_fields([_sentence(one) for one in sentences])
    section = None
    for change in changes[:_LISTED]:
        if change.get("section") != section:
            section = change.get("section")
            output.say("", f"{one_line(section)}:")
        output.show_fields([("  " + one_line(change.get("path")), _change(change))])
    more = max(0, len(changes) - _LISTED) + int(answer.get("more") or 0)
    if more:
        output.say("", f"and {more} more; --json lists up to 2,000.")


_PARTS: Final = ("refusal", "inputs", "policy", "feasibility", "effect", "approvals", "versions")


def _path(*runs: str) -> str:
    """The address of a run, or of two of them compared: a name can be no other address."""
    for run in runs:
        if not (run.isascii() and run.isalnum()):
            raise CommandError(
                f"{one_line(run)!r} names no run: give digits of its digest, or the "
                "number of its event.",
                exit_code=ExitCode.USAGE,
            )
    return f"{_RUNS}/{'/diff/'.join(runs)}"


def _page(
    authority: "Server", asked: Mapping[str, Any], *, cursor: int | None, limit: int
) -> dict[str, Any]:
    """One page, put together from as many answers as it takes to fill it."""
    from app.cli.connection import rows

    answer = authority.get(_RUNS, cursor=cursor, limit=limit, **asked)
    runs = rows(answer, "runs")
    while len(runs) < limit and isinstance(answer.get("next"), int):
        more = {**asked, "total": None}
        further = authority.get(_RUNS, cursor=answer["next"], limit=limit - len(runs), **more)
        runs += rows(further, "runs")
        answer["next"] = further.get("next")
    return {**answer, "runs": runs}


def _row(run: Mapping[str, Any]) -> tuple[str, ...]:
    outcome = _ended(run.get("outcome"), run.get("code"))
    count = run.get("count")
    times = f" x{count}" if isinstance(count, int) else ""
    return (
        one_line(run.get("run"))[:_SHORT],
        one_line(run.get("seq")),
        utc_time(run.get("ts_utc_us")),
        one_line(run.get("act")),
        outcome + times,
        one_line(run.get("subject")),
        one_line(run.get("actor")),
    )


def _ended(outcome: object, code: object) -> str:
    """The outcome as `--outcome` takes it, and behind it a refusal's code."""
    return f"{one_line(outcome)} ({one_line(code)})" if code else one_line(outcome)


def _told(answer: Mapping[str, Any], run: Mapping[str, Any]) -> list[tuple[str, str]]:
    started, ended = run.get("started_us"), run.get("ended_us")
    both = isinstance(started, int) and isinstance(ended, int)
    count = run.get("count")
    return [
        ("run", one_line(answer.get("digest"))),
        ("act", one_line(run.get("act"))),
        ("subject", one_line(run.get("subject"))),
        ("outcome", one_line(run.get("outcome"))),
        ("actor", one_line(pick(run, "actor", "id"))),
        ("person", one_line(pick(run, "actor", "person"))),
        ("started", utc_time(started)),
        ("took", f"{(ended - started) // 1000} ms" if both else "-"),  # type: ignore[operator]
        ("stands for", one_line(count) if count != 1 else "-"),
        ("plan", one_line(run.get("plan"))),
        ("ask", one_line(run.get("ask"))),
        ("proposal", _proposal(run.get("proposal"))),
        ("request", one_line(run.get("request_id"))),
    ]


def _proposal(found: Any) -> str:
    name = one_line(found)
    return f"{name} (lmx advice show {name})" if found else name


def _lines(part: Any, path: str = "") -> list[tuple[str, str]]:
    """Every single value of a part of a run, by its path; sizes as people read them."""
    if isinstance(part, dict) and part:
        return [line for k in part for line in _lines(part[k], f"{path}.{k}" if path else str(k))]
    if isinstance(part, list) and part:
        return [line for at, item in enumerate(part) for line in _lines(item, f"{path}[{at}]")]
    return [("  " + one_line(path), _value(path, part))]


def _headline(row: Any) -> str:
    """One run in a line: when, what, and how it ended."""
    values = (
        pick(row, "act"),
        pick(row, "subject"),
        _ended(pick(row, "outcome"), pick(row, "code")),
    )
    when = utc_time(pick(row, "ts_utc_us"))
    return "  ".join([one_line(pick(row, "run"))[:_SHORT], when, *map(one_line, values)])


def _sentence(sentence: object) -> tuple[str, str]:
    label, _, said = one_line(sentence).partition(": ")
    return f"{label}:", said


def _change(change: Mapping[str, Any]) -> str:
    path = one_line(change.get("path"))
    before, after = (_value(path, change.get(end)) for end in ("before", "after"))
    match change.get("change"):
        case "added":
            return f"added: {after}"
        case "removed":
            return f"removed: {before}"
        case _:
            return f"{before} -> {after}"


def _value(path: str, value: object) -> str:
    return size(value) if path.endswith("_bytes") else one_line(value)
