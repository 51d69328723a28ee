"""`lmx guardrails`: rules in plain words, the document they are read by, and what they decide."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import guardrails_decisions, guardrails_tasks, output
from app.cli.guardrails_shown import (
    LISTED,
    ROOT,
    Cursor,
    Limit,
    Said,
    Structure,
    change,
    document_of,
    error_lines,
    explaining,
    intent_said,
    meaning,
    note_more,
    path,
    show_keys,
    unusable,
    why,
)
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.text import Narrow, one_line, utc_time

app = typer.Typer(
    name="guardrails",
    help="Rules in plain words: what they mean, what they decide.",
    no_args_is_help=True,
)

_NARROW = Narrow(
    short={"loaded": len("2026-01-31T12:00")}, clip={"note": 12}, leave_out=("hash", "by")
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="A document: YAML, or Markdown (.md).")]


@app.command("check")
def check(file: File, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Read a document and print everything that is wrong with it. Nothing is kept.

    FILE:LINE:COLUMN: message, one line for each; exits with 2 where there is one.
    """
    document = document_of(file)
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.post(f"{ROOT}/check", document)
    wrong = rows(answer, "errors")
    if as_json:
        output.as_json(answer)
    elif not wrong:
        output.show_fields([("ok", one_line(file)), ("hash", one_line(answer.get("hash")))])
        show_keys(answer.get("changed"), "Keys that differ from the active document:")
    else:
        output.say(*error_lines(file, answer))
    if (unfit := unusable(file, answer)) is not None:
        raise unfit


@app.command("compile")
def compile_intent(
    intent: Said = None,
    file: Structure = None,
    version: Annotated[
        int | None,
        typer.Option("--version", metavar="N", min=1, help="Under this document, not the active."),
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Say what an intent means and why, without keeping it. The same words, the same answer.

    Where it leaves something open, the question and the choices are printed; exits with 2.
    """
    said = intent_said(intent, file)
    from app.cli.connection import connected

    with explaining(), connected(server) as authority:
        answer = authority.post(f"{ROOT}/compile", {"intent": said, "version": version})
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(meaning(answer))
    for clause in why(answer):
        output.say("")
        output.show_fields(clause)


@app.command("load")
def load(
    file: File,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="Why, for the list of versions.")
    ] = "",
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Keep a document as a new version. It changes nothing by itself."""
    document = document_of(file)
    from app.cli.connection import connected

    with explaining(file), connected(server) as authority:
        answer = authority.post(f"{ROOT}/versions", {**document, "note": note})
    if as_json:
        output.as_json(answer)
        return
    version = one_line(answer.get("version"))
    output.show_fields([("version", version), ("hash", one_line(answer.get("hash")))])
    if answer.get("loaded") is False:
        output.note(f"This document is version {version} already; nothing was kept.")
        return
    show_keys(answer.get("changed"), "Keys that differ from the active document:")
    _affected(answer.get("affected"))
    output.note(f"Nothing has changed yet. To see what it would change: {_recompile(version)}")


@app.command("versions")
def versions(
    cursor: Cursor = None, limit: Limit = 20, server: ServerUrl = SERVER, as_json: AsJson = False
) -> None:
    """List the documents that were loaded, newest first. Intents compile under the active one."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(f"{ROOT}/versions", cursor=cursor, limit=limit)
    found = rows(answer, "versions")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("version", "state", "tasks", "loaded", "by", "hash", "note"),
        map(_version, found),
        empty="There is no document.",
        right=frozenset({"version", "tasks"}),
        narrow=_NARROW,
    )
    note_more(answer)


@app.command("show")
def show(
    version: Annotated[
        int | None,
        typer.Argument(metavar="N", min=1, help="A version; without it, the active one."),
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Print a document as it was loaded; its text alone is on stdout."""
    from app.cli.connection import connected

    with connected(server) as authority:
        if version is None:
            version = authority.get(f"{ROOT}/versions", limit=1).get("active")
        if version is None:
            raise CommandError("No document is active. See: lmx guardrails versions")
        answer = authority.get(path("versions", str(version)))
    if as_json:
        output.as_json(answer)
        return
    digest = one_line(answer.get("hash"))[:12]
    output.note(f"version {one_line(answer.get('version'))}, hash {digest}...")
    output.say(str(answer.get("document", "")).rstrip("\n"))


@app.command("diff")
def diff(
    before: Annotated[int, typer.Argument(metavar="A", min=1, help="A version.")],
    after: Annotated[int, typer.Argument(metavar="B", min=1, help="Another one.")],
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Say in which keys document B differs from A, and which tasks that concerns."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(f"{ROOT}/diff", **{"from": before, "to": after})
    changes = rows(answer, "changes")
    if as_json:
        output.as_json(answer)
        return
    if not changes:
        output.say("The two say the same.")
        return
    for row in changes[:LISTED]:
        output.show_fields([(one_line(row.get("key")), change(row))])
    if len(changes) > LISTED:
        output.say(f"and {len(changes) - LISTED} more; --json lists all")
    _affected(answer.get("affected"))


guardrails_tasks.register(app)
guardrails_decisions.register(app)


def _version(row: dict[str, Any]) -> tuple[str, ...]:
    state = "active" if row.get("active") else "-" if not row.get("activated_us") else "was active"
    loaded = utc_time(row.get("loaded_us"))
    return (
        one_line(row.get("version")),
        state,
        one_line(row.get("tasks")),
        loaded,
        one_line(row.get("loaded_by")),
        one_line(row.get("hash"))[:12],
        one_line(row.get("note")),
    )


def _affected(tasks: object) -> None:
    output.say("")
    output.show_fields([("tasks that this concerns", one_line(tasks) if tasks else "none")])


def _recompile(version: str) -> str:
    return f"lmx guardrails recompile --version {version}"
