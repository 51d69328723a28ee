"""`lmx approvals`: what waits for a person's yes, and saying yes or no to it."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from app.cli import asking, confirmation, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import Narrow, duration, one_line, pick, size, utc_time

app = typer.Typer(
    name="approvals",
    help="What waits for a person's yes, and deciding on it.",
    no_args_is_help=True,
)

AskId = Annotated[
    str, typer.Argument(metavar="ID", help="An ask's id, or the first 3 characters and more.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Who asked will read it.")]
_PAGE = 200
_MOST = 2_000
_NARROW = Narrow(clip={"subject": 12, "state": 11}, leave_out=("age",))


@app.command("ls")
def ls(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that have ended too, the newest first.")
    ] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """List what waits: what cannot be undone first, then by how much goes, then the oldest."""
    from app.cli.connection import connected, rows

    found: list[dict[str, Any]] = []
    cursor: str | None = None
    with connected(server) as authority:
        while len(found) < _MOST:
            page = authority.get(
                asking.ASKS, state=None if everything else "open", limit=_PAGE, cursor=cursor
            )
            found += rows(page, "asks")
            cursor = page.get("next")
            if not cursor:
                break
    ordered = sorted(found, key=_urgency)
    if as_json:
        output.as_json({"asks": ordered, "next": cursor})
        return
    now_us = time.time_ns() // 1000
    output.show_table(
        ("id", "act", "subject", "state", "risk", "age", "deadline"),
        [_row(ask, now_us) for ask in ordered],
        empty="Nothing waits for an approval.",
        narrow=_NARROW,
    )
    if cursor:
        output.note(f"The newest {len(found)} are shown; there are more.")


@app.command("show")
def show(
    ask_id: AskId,
    whole: Annotated[
        bool, typer.Option("--all", help="Every file, and every digest in full.")
    ] = False,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Show an ask: what it would do, as the server reads it from the plan that is approved."""
    from app.cli.connection import connected

    with connected(server) as authority:
        shown = asking.fetch(authority, ask_id, whole=whole)
    if as_json:
        output.as_json({name: value for name, value in shown.items() if name != "challenge"})
        return
    state = f"{one_line(shown.get('state'))}: {one_line(shown.get('meaning'))}"
    known = [("ask", one_line(shown.get("id"))), ("state", state)]
    known += [
        (label.replace("_", " "), one_line(shown[label]))
        for label in ("waits_for", "why", "again_of", "run")
        if shown.get(label)
    ]
    output.show_fields([*known, *map(_decision, shown.get("decisions") or ())])
    output.say("", *asking.plan_lines(shown))


@app.command("approve")
def approve(
    ask_id: AskId,
    only: Annotated[
        bool, typer.Option("--only", help="Approve, and leave executing it to somebody else.")
    ] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Show an ask's plan, let you type its phrase, approve it and execute it.

    Nothing skips the typing. Works on a phone: ssh -t HOST lmx approvals approve ID
    """
    confirmation.require_terminal("Approving")
    from app.cli.connection import connected

    with connected(server) as authority:
        shown = asking.fetch(authority, ask_id)
        asking.show_plan(shown)
        _refuse_undecidable(shown)
        decided = asking.approve(authority, shown)
        name = one_line(decided.get("id"))
        if decided.get("state") != "approved":
            raise asking.waiting(decided)
        if only or pick(decided, "you", "may_execute") is False:
            who = "To execute it" if only else "Who asked executes it"
            output.say(f"Ask {name} is approved.", f"{who}: lmx approvals execute {name}")
            return
        output.note(f"Ask {name} is approved.")
        asking.execute(authority, name)


@app.command("reject")
def reject(ask_id: AskId, reason: Reason, server: ServerUrl = SERVER) -> None:
    """Say no to an ask that waits. One no ends it."""
    _say_no(server, ask_id, "reject", reason)


@app.command("veto")
def veto(ask_id: AskId, reason: Reason, server: ServerUrl = SERVER) -> None:
    """Stop what was approved already, until somebody executes it."""
    _say_no(server, ask_id, "veto", reason)


@app.command("withdraw")
def withdraw(ask_id: AskId, server: ServerUrl = SERVER) -> None:
    """Take an ask of your own back."""
    _tell_state(_post(server, ask_id, "withdraw"))


@app.command("execute")
def execute(ask_id: AskId, server: ServerUrl = SERVER) -> None:
    """Do what was approved, once. Stops where its plan is not what was approved any more."""
    from app.cli.connection import connected

    with connected(server) as authority:
        asking.execute(authority, ask_id)


@app.command("again")
def again(ask_id: AskId, server: ServerUrl = SERVER) -> None:
    """Ask for the same once more, as things are now."""
    from app.cli.connection import connected

    with connected(server) as authority:
        made = authority.post(asking.ask_path(ask_id, "again"), {}, patient=True)
        asking.follow(authority, str(made.get("id")))


@app.command("acts")
def acts(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List the kinds of acts that need an approval, and what is typed to approve each."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(f"{asking.ASKS}/acts")
    if as_json:
        output.as_json(answer)
        return
    columns = ("act", "meaning", "phrase")
    output.show_table(
        columns,
        [[one_line(act.get(name)) for name in columns] for act in rows(answer, "acts")],
        empty="There are none.",
    )


@app.command("profile")
def profile(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show how many persons must agree, and who they are. `lmx setup` asks for more."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get(f"{asking.ASKS}/profile")
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(
        [
            (label, one_line(answer.get(name)))
            for label, name in (
                ("profile", "kind"),
                ("version", "version"),
                ("needed", "needed"),
                ("duties apart", "separation_of_duties"),
                ("approvers", "approvers"),
            )
        ]
    )
    for group in rows(answer, "groups"):
        output.show_fields([(one_line(group.get("name")), _group(group))])


def _group(group: Mapping[str, Any]) -> str:
    return f"{one_line(group.get('quorum'))} of {one_line(group.get('persons'))}"


def _say_no(server: str, ask_id: str, decision: str, reason: str) -> None:
    if not reason.strip():
        raise CommandError("Say why: who asked will read it.", exit_code=ExitCode.USAGE)
    from app.cli.connection import connected

    with connected(server) as authority:
        shown = asking.fetch(authority, ask_id)
        decided = asking.decide(authority, shown, decision, {"reason": reason})
    _tell_state(decided)


def _post(server: str, ask_id: str, act: str) -> dict[str, Any]:
    from app.cli.connection import connected

    with connected(server) as authority:
        return authority.post(asking.ask_path(ask_id, act), {}, patient=True)


def _tell_state(ask: Mapping[str, Any]) -> None:
    output.say(f"Ask {one_line(ask.get('id'))} is {one_line(ask.get('state'))}.")


def _refuse_undecidable(shown: Mapping[str, Any]) -> None:
    name, state = one_line(shown.get("id")), shown.get("state")
    you = shown.get("you") or {}
    if state == "approved":
        sentence = f"Ask {name} is approved already. To execute it: lmx approvals execute {name}"
    elif state != "pending":
        sentence = f"Ask {name} is {one_line(state)}; it waits for no approval."
    elif not you.get("may_approve"):
        sentence = f"This key cannot approve ask {name}: {one_line(you.get('why_not'))}"
    else:
        return
    raise CommandError(sentence, exit_code=ExitCode.REFUSED)


def _urgency(ask: Mapping[str, Any]) -> tuple[int, ...]:
    """What can be undone last, small after big, young after old; what has ended, newest first."""
    freed, created = (
        count if isinstance(count, int) else 0
        for count in (ask.get("bytes_freed"), ask.get("created_us"))
    )
    if ask.get("ended_us"):
        return (1, 0, 0, -created)
    return (0, 0 if ask.get("irreversible") else 1, -freed, created)


def _row(ask: Mapping[str, Any], now_us: int) -> tuple[str, ...]:
    over = bool(ask.get("ended_us"))
    limit = ask.get("execute_by_us" if ask.get("state") == "approved" else "approve_by_us")
    return (
        *(one_line(ask.get(name)) for name in ("id", "act")),
        _subject(ask),
        one_line(ask.get("state")),
        "-" if over else _risk(ask),
        _since(now_us, ask.get("created_us")),
        "-" if over else _until(now_us, limit),
    )


def _subject(ask: Mapping[str, Any]) -> str:
    """What it is about; where no plan could be drawn yet, the beginning of what was asked for."""
    params = (ask.get("params") or {}).items()
    asked = "; ".join(f"{name} {one_line(found)}" for name, found in params)
    return one_line(ask.get("subject") or asked[:40])


def _risk(ask: Mapping[str, Any]) -> str:
    if ask.get("altered"):
        return "ALTERED"
    freed = ask.get("bytes_freed")
    parts = ["final"] if ask.get("irreversible") else []
    parts += [size(freed)] if freed else []
    return ", ".join(parts) or "-"


def _since(now_us: int, then_us: object) -> str:
    return duration((now_us - then_us) // 1_000_000) if isinstance(then_us, int) else "-"


def _until(now_us: int, limit_us: object) -> str:
    if not isinstance(limit_us, int):
        return "-"
    left_s = (limit_us - now_us) // 1_000_000
    return f"in {duration(left_s)}" if left_s > 0 else f"over since {utc_time(limit_us)}"


def _decision(decision: Mapping[str, Any]) -> tuple[str, str]:
    said = one_line(decision.get("meaning"))
    when = utc_time(decision.get("decided_us"))
    return one_line(decision.get("decision")), f"{one_line(decision.get('person'))}, {when}: {said}"
