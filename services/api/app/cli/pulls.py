"""`lmx models pull` and `confirm`: everything there is to know first, a yes, then progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.confirmation import answered_yes, has_terminal, require_terminal, typed
from app.cli.options import SERVER, ModelName, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, pick, size

Report = Callable[[str, str, int, int], None]
"""What is done to it, path, bytes done, its size."""

_SHOWN_LEFT_OUT = 8


def pull(
    repo: Annotated[str, typer.Argument(metavar="ORG/NAME", help="A repository on the hub.")],
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="R", help="A branch, a tag or a commit.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PUBLISHER/NAME", help="Its name in the catalog."),
    ] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="F", help="Of a repository with several GGUF: a file, or Q4_K_M."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: pull what is shown.")] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Download a model, verified; shows hosts, files, sizes and what is sent before it asks."""
    from app.cli.connection import connected

    chosen = repo if file is None else f"{repo}:{file}"
    body = {"repo": chosen, "revision": revision, "name": name}
    with connected(server) as authority:
        plan = authority.post("/authority/models/pull/plan", body, patient=True)
        _show_plan(plan)
        if plan.get("here_already") is not True:
            ask(yes, "Fetch this? [y/N]")
        model = follow(authority.lines("/authority/models/pull", {"plan": plan.get("plan")}))
    shown = ("id", "digest", "trust", "signature", "signer")
    output.show_fields([(k, one_line(model[k])) for k in shown if model.get(k) is not None])
    output.note(f"{size(model.get('fetched_bytes'))} came over the network.")
    if model.get("trust") == "pinned":
        output.note(
            "Pinned: small files are known by their git ids only. Compare their SHA-256s with a "
            f"source you trust, then: lmx models confirm {one_line(model.get('id'))}"
        )


def confirm(name: ModelName, server: ServerUrl = SERVER) -> None:
    """Say that a pinned model's SHA-256s are right: it becomes verified."""
    require_terminal("Confirming a model")
    from app.cli.connection import connected, model_path, rows

    with connected(server) as authority:
        model = authority.get(model_path(name))
        digest = one_line(model.get("digest"))
        output.show_table(
            ("sha256", "file"),
            [(one_line(f.get("sha256")), one_line(f.get("path"))) for f in rows(model, "files")],
            empty="It has no files.",
        )
        phrase = typed(
            f"yes, confirm {one_line(model.get('id'))} {digest[-6:]}",
            consequences=[
                "From now on these bytes count as verified; the ledger keeps who said so."
            ],
        )
        answer = authority.post(model_path(name, "confirm"), {"confirmation": phrase}, patient=True)
    output.show_fields([(k, one_line(answer.get(k))) for k in ("id", "digest", "trust")])


def register(app: typer.Typer) -> None:
    app.command("pull")(pull)
    app.command("confirm")(confirm)


def ask(yes: bool, question: str) -> None:
    """Raise CommandError unless a person says yes, here or with --yes."""
    if yes:
        return
    if not has_terminal():
        raise CommandError(
            "Nothing was fetched: nobody can be asked here. Run it in a terminal, or with --yes.",
            exit_code=ExitCode.REFUSED,
        )
    if not answered_yes(question):
        raise CommandError("Nothing was fetched.", exit_code=ExitCode.REFUSED)


def _show_plan(plan: dict[str, Any]) -> None:
    """To stderr: stdout is for the result."""
    from app.cli.connection import rows

    fields = {
        "repository": f"{one_line(plan.get('repo'))} at {one_line(plan.get('revision'))}",
        "commit": one_line(plan.get("commit")),
        "name here": one_line(plan.get("name")),
        "from": one_line(plan.get("endpoint")),
        "hosts": one_line(plan.get("hosts")),
    }
    for label, value in fields.items():
        output.note(f"{label:<11} {value}")
    for sentence in texts(plan, "sent"):
        output.note(f"{'sent':<11} {sentence}")
    for file in rows(plan, "files"):
        known = "sha256" if file.get("sha256") else "git id"
        output.note(f"  {size(file.get('size')):>10}  {known}  {one_line(file.get('path'))}")
    signed = "comes with the model, and is checked" if pick(plan, "signature") else "none"
    output.note(f"{'signature':<11} {signed}")
    left_out = texts(plan, "left_out")
    if left_out:
        more = len(left_out) - _SHOWN_LEFT_OUT
        shown = ", ".join(left_out[:_SHOWN_LEFT_OUT]) + (f" and {more} more" if more > 0 else "")
        output.note(f"{'left out':<11} {shown}")
    output.note(
        f"{'size':<11} {size(plan.get('size_bytes'))}, of which "
        f"{size(plan.get('fetch_bytes'))} have to be fetched"
    )
    output.note(f"{'will be':<11} {one_line(plan.get('trust'))}")
    output.note(f"{'licence':<11} {one_line(plan.get('licence'))} (what its publisher says)")
    feasibility = pick(plan, "feasibility") or {}
    output.note(f"{'memory':<11} {one_line(feasibility.get('message'))}")


def texts(plan: dict[str, Any], name: str) -> list[str]:
    """A list of texts of an answer, each made harmless for a terminal."""
    found = plan.get(name)
    return [one_line(text) for text in found] if isinstance(found, list) else []


def follow(lines: Iterator[str], *, again: str = "lmx models pull") -> dict[str, Any]:
    """Show progress until the model is in the catalog; Ctrl-C hangs up, which cancels."""
    try:
        with _bar() if sys.stderr.isatty() else _plain() as report:
            for line in lines:
                model = _step(line, report)
                if model is not None:
                    return model
    except KeyboardInterrupt:
        raise CommandError(
            f"Cancelled. What was fetched is kept: go on from there with {again}"
        ) from None
    raise CommandError(
        "The server ended without saying how. `lmx models ls` shows whether the model is there; "
        f"go on from there with {again}"
    )


def _step(line: str, report: Report) -> dict[str, Any] | None:
    from app.cli.connection import parse_object, refusal

    if not line.strip():
        return None
    event = parse_object(line)
    problem, done = event.get("error"), event.get("done")
    if isinstance(problem, dict):
        status = problem.get("status")
        raise refusal(problem, status=status if isinstance(status, int) else 500)
    for what in ("fetching", "checking"):
        step = event.get(what)
        if isinstance(step, dict):
            at, total = step.get("done"), step.get("total")
            if isinstance(at, int) and isinstance(total, int):
                report(what, one_line(step.get("path")), at, total)
    return done if isinstance(done, dict) else None


@contextmanager
def _plain() -> Iterator[Report]:
    """One line for each file that came."""
    reported: set[str] = set()

    def report(what: str, path: str, done: int, total: int) -> None:
        if what == "fetching" and done >= total and path not in reported:
            reported.add(path)
            output.note(f"fetched {path} ({size(total)})")

    yield report


@contextmanager
def _bar() -> Iterator[Report]:
    """One bar over all files: several are fetched at once, and a big model has dozens."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (BarColumn(bar_width=None), DownloadColumn(), TransferSpeedColumn())
    files: dict[str, tuple[int, int]] = {}
    with Progress(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("", total=None)

        def report(what: str, path: str, done: int, total: int) -> None:
            if what == "fetching":
                files[path] = (done, total)
            progress.update(
                task,
                description=escape(f"{what} {path[-24:]}"),
                completed=sum(d for d, _ in files.values()),
                total=sum(t for _, t in files.values()),
            )

        yield report
