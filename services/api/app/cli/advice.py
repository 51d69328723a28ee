"""`lmx advice`: what advisors propose. Nothing follows until a person accepts it."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from app.cli import advice_replay, advice_running, output
from app.cli.advice_shown import (
    COLUMNS,
    NARROW,
    ROOT,
    decide,
    preview,
    proposal_path,
    row,
    said,
    shown,
    what,
    would,
)
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, pick

app = typer.Typer(
    name="advice",
    help="What advisors propose: look, accept, dismiss, keep the score.",
    no_args_is_help=True,
)

_RUN_ONE: Final = (
    "advisors look by themselves now and then; to ask one now: lmx advice run housekeeping (lmx "
    "advice advisors lists them)"
)
_NONE_SUCH: Final = "No proposal is like that. All of them: lmx advice ls --state all"
_NEXT: Final = (
    "lmx advice show PROPOSAL says why, and what would come of it; then: lmx advice accept "
    "PROPOSAL --reason TEXT, or dismiss"
)

Id = Annotated[
    str, typer.Argument(metavar="ID", help="As `lmx advice ls` names it; how it begins will do.")
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the record.")]


class Shown(StrEnum):
    """Which proposals to list."""

    open = "open"
    accepted = "accepted"
    dismissed = "dismissed"
    expired = "expired"
    all = "all"


@app.command("ls")
def ls(  # noqa: PLR0917 - the options of a command
    state: Annotated[Shown, typer.Option("--state", help="Which.")] = Shown.open,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="K", help="One kind only, as delete.")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="WHO", help="One advisor's only.")
    ] = None,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="C", help="Go on after a page that ended so.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=200, help="At most so many.")
    ] = 20,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List proposals, newest first, with what the authority would say to each open one.

    `would be done`: accepting does it at once. `would ask`: it then needs an approval.
    """
    from app.cli.connection import connected, rows

    only = None if state is Shown.all else str(state)
    asked = {"state": only, "kind": kind, "author": author, "cursor": cursor, "limit": limit}
    with connected(server) as authority:
        answer = authority.get(ROOT, **asked)
    found = rows(answer, "proposals")
    unfiltered = only == "open" and not (kind or author or cursor)
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        COLUMNS,
        map(row, found),
        empty="No proposal is open." if unfiltered else _NONE_SUCH,
        right=frozenset({"sure"}),
        narrow=NARROW,
    )
    if unfiltered and not found:
        output.note_fields([("next", _RUN_ONE)])
    if any(one.get("state") == "open" for one in found):
        output.note_fields([("next", _NEXT)])
    if answer.get("next"):
        output.note(f"There may be more: --cursor {one_line(answer['next'])}")


@app.command("show")
def show(proposal: Id, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show one proposal: what, why, its evidence, and what accepting it would do."""
    from app.cli.connection import connected

    with connected(server) as authority:
        answer = authority.get(proposal_path(proposal))
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(shown(answer))
    if answer.get("state") == "open":
        output.say("")
        output.show_fields([("accepting", would(answer.get("would")))])
        for indent, line in preview(answer):
            output.show_fields([(indent, line)])
        output.note_fields([("next", decide(answer))])


@app.command("accept")
def accept(proposal: Id, reason: Why, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Do what is proposed, as an act or an ask of yours, by the same rules as always.

    Where it needs an approval, the plan is shown as by any other command; exits with 4 while that
    waits.
    """
    from app.cli.connection import connected

    with connected(server) as authority:
        found = authority.get(proposal_path(proposal))
        digest = _still_open(proposal, found)
        if not as_json:
            _tell_what_comes(found)
        body = {"reason": reason, "digest": digest}
        try:
            made = authority.post(proposal_path(proposal, "accept"), body, patient=True)
        except CommandError as error:
            if error.problem:
                output.note(_on_record(authority, proposal))
            raise
        if as_json:
            output.as_json(made)
        _end(authority, proposal, made, quiet=as_json)


@app.command("dismiss")
def dismiss(proposal: Id, reason: Why, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Say no to a proposal. The same is not taken again for a week."""
    from app.cli.connection import connected

    with connected(server) as authority:
        made = authority.post(proposal_path(proposal, "dismiss"), {"reason": reason})
    if as_json:
        output.as_json(made)
    else:
        output.say(f"Dismissed: {what(made)}.")


advice_running.register(app)
app.command("replay")(advice_replay.replay)


def _still_open(proposal: str, found: dict[str, Any]) -> str:
    digest = found.get("digest")
    if found.get("state") != "open" or not isinstance(digest, str):
        raise CommandError(
            f"Proposal {one_line(proposal)} is {said(found.get('state'))}: nothing was done. "
            f"See: lmx advice show {one_line(proposal)}",
            exit_code=ExitCode.REFUSED,
        )
    return digest


def _on_record(authority: Any, proposal: str) -> str:
    """What has become of a proposal whose acceptance was refused: the decision may stand."""
    try:
        outcome = authority.get(proposal_path(proposal)).get("outcome")
    except CommandError:
        outcome = None
    ended = "Your yes is on record, nothing was done, and this proposal has ended. "
    return f"{ended if outcome == 'refused' else ''}See: lmx advice show {proposal}"


def _tell_what_comes(found: dict[str, Any]) -> None:
    """What is accepted, before it is: on stderr, as a plan is. An ask shows its own plan."""
    rows = [("accepting", what(found)), ("from", said(found.get("author")))]
    rows += [("why", said(found.get("reason"))), ("outcome", would(found.get("would")))]
    asks = pick(found, "would", "what") == "asked"
    coming = [] if asks else preview(found)
    output.note_fields(rows)
    for indent, line in coming:
        output.note_fields([(indent, line)])


def _end(authority: Any, proposal: str, made: dict[str, Any], *, quiet: bool) -> None:
    """What came of it: done, an ask to be followed as any other, or a refusal."""
    from app.cli import asking

    match made.get("outcome"):
        case "asked":
            ask = one_line(made.get("ask"))
            if quiet:
                raise asking.waiting(asking.fetch(authority, ask))
            output.note(f"Accepted. It asks for an approval, as ask {ask}.")
            asking.follow(authority, ask)
        case "done":
            if not quiet:
                run = f" (run {said(made['run'])[:8]})" if made.get("run") else ""
                output.say(f"Done: {what(made)}{run}.")
        case "refused":
            raise CommandError(
                f"Accepted, and then refused as the act that it is: nothing was done "
                f"[{said(made.get('refusal'))}]. See: lmx advice show {proposal}",
                exit_code=ExitCode.REFUSED,
            )
        case _:
            raise CommandError(
                f"Accepted, but what came of it is not known. See: lmx advice show {proposal}, "
                "lmx runs ls"
            )
