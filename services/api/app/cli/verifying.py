"""`lmx models verify`: every byte of one model, or of all, is read again; damage is repaired."""

from typing import Annotated, Any

import typer

from app.cli import imports, output, pulls
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, size

_CANCELLED = "Cancelled. What was verified until now is recorded; nothing was changed."
_UNFINISHED = "The server ended the verification without saying how. Verify again."


def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A model: PUBLISHER/NAME.")
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every model of the catalog.")] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Fetch anew what is damaged, and nothing else.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="With --repair: do not ask, fetch what is shown.")
    ] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Hash every file of a model again, or of all. Exits with 1 when one of them was changed."""
    if (name is None) != every or (every and repair) or (yes and not repair):
        raise CommandError(
            "Name one model, or say --all. --repair takes one model, and --yes goes with it.",
            exit_code=ExitCode.USAGE,
        )
    if name is None:
        _all(server, as_json)
    elif repair:
        _repair(server, name, yes, as_json)
    else:
        _one(server, name, as_json)


def _one(server: str, name: str, as_json: bool) -> None:
    from app.cli.connection import connected, model_path

    with connected(server) as authority:
        answer = authority.post(model_path(name, "verify"), {}, patient=True)
    if as_json:
        output.as_json(answer)
        return
    shown = ("id", "digest", "trust", "state", "verified")
    fields = [(k, one_line(answer[k])) for k in shown if answer.get(k) is not None]
    if answer.get("size_bytes") is not None:
        fields.append(("size", size(answer.get("size_bytes"))))
    output.show_fields(fields)


def _all(server: str, as_json: bool) -> None:
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        lines = authority.lines("/authority/models/verify", {"all": True})
        answer = imports.follow(lines, cancelled=_CANCELLED, unfinished=_UNFINISHED)
    models = rows(answer, "models")
    damaged = [one_line(model.get("id")) for model in models if model.get("verified") is not True]
    if as_json:
        output.as_json(answer)
    else:
        output.show_table(
            ("name", "verified", "trust", "size", "why not"),
            map(_row, models),
            empty="The catalog is empty: there is nothing to verify.",
            right=frozenset({"size"}),
        )
    if damaged:
        raise CommandError(
            f"{len(damaged)} of {len(models)} cannot be trusted: {', '.join(damaged)}. "
            "Repair each: lmx models verify NAME --repair"
        )


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    return (
        one_line(model.get("id")),
        "yes" if model.get("verified") is True else "NO",
        one_line(model.get("trust")),
        size(model.get("size_bytes")),
        one_line(model.get("why")),
    )


def _repair(server: str, name: str, yes: bool, as_json: bool) -> None:
    from app.cli.connection import connected, model_path, rows

    with connected(server) as authority:
        plan = authority.post(model_path(name, "repair/plan"), {}, patient=True)
        _show_plan(plan)
        if rows(plan, "files"):
            pulls.ask(yes, "Fetch this? [y/N]")
        elif plan.get("damaged") or plan.get("removed"):
            pulls.ask(yes, "Put this right? [y/N]")
        body = {"plan": plan.get("plan")}
        lines = authority.lines(model_path(name, "repair"), body)
        model = pulls.follow(lines, again=f"lmx models verify {one_line(name)} --repair")
    others = rows(model, "others")
    if as_json:
        output.as_json(model)
    else:
        output.show_fields([(k, one_line(model.get(k))) for k in ("id", "digest", "trust")])
        output.note(f"{size(model.get('fetched_bytes'))} were fetched.")
    if model.get("state") not in {None, "absent"}:
        output.note(
            "It is in memory, loaded before the repair. To use the repaired files: "
            f"lmx models unload {one_line(model.get('id'))}"
        )
    for other in others:
        output.note(
            f"{one_line(other.get('id'))} shares repaired files: {one_line(other.get('trust'))}"
        )
    if wrong := [one_line(other.get("id")) for other in others if other.get("why")]:
        raise CommandError(f"More is damaged of {', '.join(wrong)}: repair each.")


def _show_plan(plan: dict[str, Any]) -> None:
    """To stderr: stdout is for the result."""
    from app.cli.connection import rows

    damaged, removed = pulls.texts(plan, "damaged"), pulls.texts(plan, "removed")
    if not damaged and not removed:
        output.note("Every byte is as it was taken in: there is nothing to repair.")
        return
    output.note(f"{'model':<11} {one_line(plan.get('name'))}: {one_line(plan.get('trust'))}")
    for path in damaged:
        output.note(f"{'damaged':<11} {path}")
    for path in removed:
        output.note(f"{'remove':<11} {path}, which does not belong to the model")
    files = rows(plan, "files")
    if not files:
        output.note("The store has the right bytes: nothing is fetched.")
        return
    output.note(f"{'from':<11} {one_line(plan.get('endpoint'))}")
    if hosts := pulls.texts(plan, "hosts"):
        output.note(f"{'hosts':<11} {', '.join(hosts)}")
        output.note(f"{'commit':<11} {one_line(plan.get('repo'))} {one_line(plan.get('commit'))}")
    for sentence in pulls.texts(plan, "sent"):
        output.note(f"{'sent':<11} {sentence}")
    for file in files:
        output.note(f"  {size(file.get('size')):>10}  sha256  {one_line(file.get('path'))}")
    output.note(f"{'to fetch':<11} {size(plan.get('size_bytes'))}")
