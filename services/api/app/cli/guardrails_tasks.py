"""`lmx guardrails`: the tasks that decide, and asking for another set of them."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from app.cli import asking, output
from app.cli.guardrails_shown import (
    ROOT,
    Rows,
    Said,
    Structure,
    change,
    explaining,
    intent_said,
    meaning,
    path,
    show_keys,
    value,
    why,
)
from app.cli.options import SERVER, AsJson, Reason, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import Narrow, duration, one_line, pick, utc_time

Task = Annotated[str, typer.Argument(metavar="ID", help="A task, as `tasks` lists them.")]
Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", metavar="ID", help="Only this one; may be repeated."),
]
_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_NARROW: Final = Narrow(clip={"intent": 20}, leave_out=("document", "asked at"))
Version = Annotated[int, typer.Option("--version", metavar="N", min=1, help="Which document.")]


def tasks(
    task: Annotated[
        str | None, typer.Argument(metavar="ID", help="One of them, with all about it.")
    ] = None,
    retired: Annotated[
        bool, typer.Option("--retired", help="Those that decide no longer, too.")
    ] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List the tasks that decide, or show one: its intent, its meaning, why, its history."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        if task is not None:
            answer = authority.get(path("tasks", task))
        else:
            answer = {"tasks": list(_listed(authority, retired))}
    if as_json:
        output.as_json(answer)
    elif task is not None:
        _show(answer)
    else:
        output.show_table(
            ("id", "action", "asked at", "document", "state", "intent"),
            [_row(row) for row in rows(answer, "tasks")],
            empty="Nothing is bound: guardrails decide nothing.",
            right=frozenset({"document"}),
            narrow=_NARROW,
        )


def add(  # noqa: PLR0917 - the options of a command
    task: Annotated[str, typer.Argument(metavar="ID", help="Its name: a-z, 0-9 and -.")],
    intent: Said = None,
    file: Structure = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="Only as this version of the task."),
    ] = None,
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Ask for a guardrail, compiled under the active document. It decides once it is approved.

    An id that there is gets its next version, in place of what it is now.
    """
    if not _ID.fullmatch(task):
        raise CommandError(
            f"{one_line(task)!r} cannot name a task: a small letter, then a-z, 0-9 and -, up to "
            "64 in all.",
            exit_code=ExitCode.USAGE,
        )
    said = intent_said(intent, file)
    body = {"id": task, "intent": said, "version": version, "reason": reason}
    _ask(server, "tasks", body)


def activate(
    version: Annotated[int, typer.Argument(metavar="N", min=1, help="A document's version.")],
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Ask that intents be compiled under a document from now on. What is bound stays."""
    _ask(server, path("versions", str(version), "activate"), {"reason": reason})
    output.note("What is bound is as it was. To see what binding it anew would change:")
    output.note(f"lmx guardrails recompile --version {version}")


def rebind(
    version: Version,
    task: Tasks = None,
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Ask that tasks be bound to what a document makes of them; rolling back is the same.

    Without --task: all tasks that the document concerns. All are bound at once, or none.
    """
    _ask(server, "rebind", {"version": version, "tasks": task or None, "reason": reason})


def retire(task: Task, reason: Reason = "", server: ServerUrl = SERVER) -> None:
    """Ask that a task decide no longer. What it decided stays replayable."""
    _ask(server, path("tasks", task, "retire"), {"reason": reason})


def recompile(
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="Under this document, not the active."),
    ] = None,
    task: Tasks = None,
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=1, max=365, help="History for the impact.")
    ] = 30,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Show what a document would make of the tasks it concerns, before and after. Binds nothing.

    The impact is computed by replaying recorded decisions under both.
    """
    body = {"version": version, "tasks": task or None, "days": days}
    from app.cli.connection import connected, rows

    with explaining(), connected(server) as authority:
        answer = authority.post(f"{ROOT}/recompile", body, patient=True)
        document = {} if as_json else authority.get(path("versions", str(answer.get("to"))))
    found = rows(answer, "tasks")
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(
        [
            ("documents", f"{value(answer.get('from'))} -> {value(answer.get('to'))}"),
            ("concerns", one_line(answer.get("affected") or "no task")),
            ("does not concern", one_line(answer.get("unaffected") or "no task")),
        ]
    )
    show_keys(answer.get("changed"), "Keys that differ:")
    for row in found:
        output.say("")
        output.show_fields(_delta(row))
    if not found:
        output.note(f"No task is another under version {value(answer.get('to'))}.")
    if any(row.get("result") == "changed" for row in found):
        for line in _next_steps(document):
            output.note(line)


def register(app: typer.Typer) -> None:
    for command in (tasks, add, activate, recompile, rebind, retire):
        app.command(command.__name__)(command)


def _ask(server: str, where: str, body: Mapping[str, Any]) -> None:
    """Make an ask, and take a person through it where this key and terminal may."""
    from app.cli.connection import connected

    address = where if where.startswith("/") else f"{ROOT}/{where}"
    with explaining(), connected(server) as authority:
        made = authority.post(address, body, patient=True)
        if made.get("ask", ...) is None:
            bound = pick(made, "task", "id")
            output.say(f"Exactly that is bound already: {one_line(bound)}. Nothing was asked.")
            return
        asking.follow_made(authority, made)


def _listed(authority: Any, retired: bool) -> Iterator[dict[str, Any]]:
    """Every task; an answer holds so many."""
    from app.cli.connection import rows

    before, cursor = "", None
    while cursor is None or cursor > before:  # what goes backwards would never end
        before = cursor or ""
        page = authority.get(f"{ROOT}/tasks", retired="true" if retired else None, cursor=cursor)
        yield from rows(page, "tasks")
        if not isinstance(cursor := page.get("next"), str):
            return


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    under = task.get("guardrails")
    number = under.get("version") if isinstance(under, Mapping) else under
    state = one_line(task.get("state"))
    return (
        one_line(task.get("id")),
        one_line(task.get("action")),
        one_line(task.get("points")),
        one_line(number),
        f"{state}, affected" if task.get("affected") else state,
        one_line(task.get("intent")),
    )


def _show(task: dict[str, Any]) -> None:
    from app.cli.connection import rows

    bound = f"{utc_time(task.get('bound_us'))} by {one_line(task.get('bound_by'))}"
    about = [("task", f"{one_line(task.get('id'))}, version {one_line(task.get('version'))}")]
    about += meaning(task)
    about += [("state", one_line(task.get("state"))), ("bound", bound)]
    about += [("ask", one_line(task["ask"]))] if task.get("ask") else []
    if task.get("affected"):
        about.append(("affected", "the active document would make something else of it"))
    output.show_fields(about)
    for clause in why(task):
        output.say("")
        output.show_fields(clause)
    output.say("", "Bindings:")
    output.show_table(
        ("version", "document", "bound", "by", "ask"),
        [
            (
                "retired" if row.get("version") is None else one_line(row["version"]),
                _number(row.get("guardrails")),
                utc_time(row.get("bound_us")),
                one_line(row.get("bound_by")),
                one_line(row.get("ask")),
            )
            for row in rows(task, "history")
        ],
        empty="",
        right=frozenset({"version", "document"}),
    )


def _number(under: object) -> str:
    return one_line(under.get("version") if isinstance(under, Mapping) else under)


def _delta(row: dict[str, Any]) -> Rows:
    """One task: what became of it, each number before and after, what it would have done."""
    shown = [(one_line(row.get("id")), one_line(row.get("result")))]
    if row.get("why"):
        shown.append(("  why", one_line(row["why"])))
    delta = row.get("delta")
    parts = delta if isinstance(delta, list) else []
    shown += [
        (f"  {one_line(part.get('what'))}", change(_in_words(part)))
        for part in parts
        if isinstance(part, Mapping)
    ]
    impact = row.get("impact")
    if isinstance(impact, Mapping):
        shown.append(("  impact", _impact(impact)))
        notes = impact.get("notes")
        shown += [("", one_line(said)) for said in notes] if isinstance(notes, list) else []
    return shown


def _next_steps(document: Mapping[str, Any]) -> list[str]:
    """Binding under a document needs that it was active once."""
    version = value(document.get("version"))
    rebind = f"lmx guardrails rebind --version {version}"
    if document.get("activated_us"):
        return [f"To ask for it: {rebind}"]
    return [f"To ask for it: lmx guardrails activate {version}", f"and then: {rebind}"]


def _in_words(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A window in words: it is a number of seconds."""
    if not one_line(part.get("what")).endswith(".window"):
        return part
    return {name: duration(part[name]) for name in ("before", "after") if part.get(name)}


def _impact(impact: Mapping[str, Any]) -> str:
    times, days = one_line(impact.get("evaluations")), one_line(impact.get("days"))
    recorded = "decision" if impact.get("evaluations") == 1 else "decisions"
    return (
        f"fires {one_line(impact.get('before'))} -> {one_line(impact.get('after'))} times in "
        f"{times} {recorded} of {days} days ({one_line(impact.get('per_day'))} a day)"
    )
