"""`lmx ledger ls`, `counts`, `watch` and `reindex`: questions to the record."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.text import one_line, pick, utc_time

if TYPE_CHECKING:
    from app.cli.connection import Server

_EVENTS: Final = "/authority/ledger/events"
_COLUMNS: Final = ("seq", "time", "kind", "actor", "outcome", "subject")
_MOST: Final = 1_000
_POLL_S: Final = 1.0

Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="T", help="Only from this time on: 2026-01-31 or RFC 3339, UTC."
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="T", help="Only before this time; a date's day is included."),
]
Kind = Annotated[str | None, typer.Option("--kind", metavar="K", help="One kind only.")]
Action = Annotated[
    str | None,
    typer.Option(
        "--action",
        metavar="A",
        help="One action only, as model.load: what happened and what was refused.",
    ),
]
Actor = Annotated[str | None, typer.Option("--actor", metavar="A", help="One actor's id only.")]
Person = Annotated[
    str | None, typer.Option("--person", metavar="P", help="One person's id only, whatever key.")
]
Role = Annotated[
    str | None, typer.Option("--role", metavar="R", help="Only what actors with this role did.")
]
Outcome = Annotated[str | None, typer.Option("--outcome", metavar="O", help="One outcome only.")]
Model = Annotated[str | None, typer.Option("--model", metavar="M", help="One model only.")]
Digest = Annotated[str | None, typer.Option("--digest", metavar="D", help="One model digest only.")]
Plan = Annotated[str | None, typer.Option("--plan", metavar="ID", help="One plan only.")]
Run = Annotated[
    str | None,
    typer.Option("--run", metavar="ID", help="One attempt: an intent and what became of it."),
]
RequestId = Annotated[
    str | None, typer.Option("--request-id", metavar="ID", help="One request only.")
]
Subject = Annotated[
    str | None, typer.Option("--subject", metavar="S", help="One model or key only.")
]
Text = Annotated[
    str | None, typer.Option("--text", metavar="WORDS", help="Words that all occur in the reason.")
]
_FILTERS: Final = (
    "since",
    "until",
    "kind",
    "action",
    "actor",
    "person",
    "role",
    "outcome",
    "model",
    "digest",
    "plan",
    "run",
    "request_id",
    "subject",
    "text",
)


def ls(
    *,
    after: Annotated[
        int | None, typer.Option("--after", metavar="N", min=0, help="Only events after number N.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=_MOST, help="At most so many.")
    ] = 50,
    since: Since = None,
    until: Until = None,
    kind: Kind = None,
    action: Action = None,
    actor: Actor = None,
    person: Person = None,
    role: Role = None,
    outcome: Outcome = None,
    model: Model = None,
    digest: Digest = None,
    plan: Plan = None,
    run: Run = None,
    request_id: RequestId = None,
    subject: Subject = None,
    text: Text = None,
    total: Annotated[bool, typer.Option("--total", help="Say how many there are in all.")] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List events, newest last: the latest ones, or those that follow --after. Times are UTC."""
    from app.cli.connection import connected

    asked: dict[str, Any] = _given(locals())
    latest = after is None
    asked |= {"newest_first": "true" if latest else None, "total": "true" if total else None}
    with connected(server) as authority:
        answer = _page(authority, asked, after=after, limit=limit)
    events = answer["events"][::-1] if latest else answer["events"]
    if as_json:
        output.as_json({**answer, "events": events})
        return
    output.show_table(
        _COLUMNS, map(_row, events), empty="No event is like that.", right=frozenset({"seq"})
    )
    if total:
        output.say(f"total  {one_line(answer.get('total'))}")
    _note_cover(answer)


def counts(
    *,
    by: Annotated[
        str,
        typer.Option("--by", metavar="WHAT", help="day, outcome, day+outcome, kind or actor."),
    ] = "day",
    since: Since = None,
    until: Until = None,
    kind: Kind = None,
    action: Action = None,
    actor: Actor = None,
    person: Person = None,
    role: Role = None,
    outcome: Outcome = None,
    model: Model = None,
    digest: Digest = None,
    plan: Plan = None,
    run: Run = None,
    request_id: RequestId = None,
    subject: Subject = None,
    text: Text = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Count events by day (UTC), outcome, day and outcome, kind or actor."""
    from app.cli.connection import connected, rows

    asked = _given(locals())
    with connected(server) as authority:
        answer = authority.get("/authority/ledger/counts", by=by, **asked)
    if as_json:
        output.as_json(answer)
        return
    columns = by.split("+")
    output.show_table(
        (*columns, "events"),
        [
            tuple(one_line(row.get(name)) for name in (*columns, "events"))
            for row in rows(answer, "counts")
        ],
        empty="No event is like that.",
        right=frozenset({"events"}),
    )
    output.say(f"total  {one_line(answer.get('total'))}")
    _note_cover(answer)


def watch(
    *,
    since: Since = None,
    until: Until = None,
    kind: Kind = None,
    action: Action = None,
    actor: Actor = None,
    person: Person = None,
    role: Role = None,
    outcome: Outcome = None,
    model: Model = None,
    digest: Digest = None,
    plan: Plan = None,
    run: Run = None,
    request_id: RequestId = None,
    subject: Subject = None,
    text: Text = None,
    server: ServerUrl = SERVER,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Show new events as they come, one a line, until Ctrl-C. Looking is recorded too."""
    from app.cli.connection import connected

    asked = _given(locals())
    try:
        with connected(server) as authority:
            for event in _new(authority, asked):
                line = json.dumps(event) if as_json else "  ".join(_row(event))
                output.stream(f"{line}\n")
    except KeyboardInterrupt:
        return


def reindex(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Make the search index anew from the events; the events themselves are not touched."""
    from app.cli.connection import connected

    with connected(server) as authority:
        answer = authority.post("/authority/ledger/reindex", {}, patient=True)
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(
        [
            ("rows", one_line(answer.get("rows"))),
            ("changed", one_line(answer.get("changed"))),
            ("event", one_line(answer.get("event"))),
        ]
    )


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: options[name] for name in _FILTERS if options[name] is not None}


def _page(
    authority: "Server", asked: Mapping[str, Any], *, after: int | None, limit: int
) -> dict[str, Any]:
    """One page, put together from as many answers as it takes to fill it."""
    from app.cli.connection import rows

    answer = authority.get(_EVENTS, after=after, limit=limit, **asked)
    events = rows(answer, "events")
    while len(events) < limit and isinstance(answer.get("next"), int):
        more = {**asked, "total": None}
        further = authority.get(_EVENTS, after=answer["next"], limit=limit - len(events), **more)
        events += rows(further, "events")
        answer |= {name: further.get(name) for name in ("next", "size", "checkpoint")}
        answer["range"] = _both(answer.get("range"), further.get("range"))
    return {**answer, "events": events}


def _new(authority: "Server", asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Events past the newest one there is now, as they come."""
    seen = authority.get(_EVENTS, limit=1, newest_first="true").get("size")
    while True:
        answer = _page(authority, asked, after=seen, limit=_MOST)
        yield from answer["events"]
        ahead = answer.get("next")
        seen = ahead if isinstance(ahead, int) else answer.get("size")
        if ahead is None:
            time.sleep(_POLL_S)


def _both(one: object, other: object) -> object:
    """The part of the log that two neighbouring answers cover."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    first, last = sorted((one, other), key=lambda part: int(part.get("first_seq") or 0))
    return {
        **{name: first.get(name) for name in ("first_seq", "first_us")},
        **{name: last.get(name) for name in ("last_seq", "last_us")},
    }


def _row(event: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        one_line(event.get("seq")),
        utc_time(event.get("ts_utc_us")),
        *(one_line(event.get(name)) for name in ("kind", "actor", "outcome")),
        one_line(event.get("subject") or _about(event)),
    )


def _about(event: Mapping[str, Any]) -> str | None:
    """What an event of guardrails is about, which have several subjects or none."""
    data = pick(event, "body", "data")
    if not isinstance(data, Mapping):
        return None
    match event.get("kind"):
        case "guardrails_loaded" | "guardrails_activated":
            return f"version {one_line(data.get('version'))}"
        case "guardrails_bound":
            return one_line(data.get("changed"))
        case "guardrails_digest":
            return f"{one_line(data.get('decisions'))} decisions"
        case _:
            return None


def _note_cover(answer: Mapping[str, Any]) -> None:
    """What the answer covers, and the checkpoint it holds under."""
    covered = answer.get("range")
    if isinstance(covered, dict):
        first, last = (one_line(covered.get(f"{end}_seq")) for end in ("first", "last"))
        since, until = (utc_time(covered.get(f"{end}_us")) for end in ("first", "last"))
        size = one_line(answer.get("size"))
        output.note(f"Covers events {first} to {last} of {size}, {since} to {until}.")
    lines = str(pick(answer, "checkpoint") or "").split("\n")
    if len(lines) > 3:
        size, root = one_line(lines[1]), one_line(lines[2])
        output.note(f"Holds under the checkpoint of {size} events, root {root}.")
    if altered := answer.get("index_altered_at"):
        output.note(
            f"The index was altered at {one_line(altered)}: `lmx ledger verify` says how, "
            "`lmx ledger reindex` makes it anew."
        )
