"""`lmx advice run`, `advisors`, `scorecard`, `snapshot`: who advises, from what, and how well."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from app.cli import output
from app.cli.advice_shown import Rows, listed, predicted, said
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import Narrow, one_line, size, utc_time
from app.cli.walls import Wall, graded

_SCORES: Final = (
    *("proposed", "open", "accepted", "dismissed", "expired"),
    *("came_true", "did_not", "too_early", "unknown"),
)
_HEADS: Final[Mapping[str, str]] = {
    "came_true": "true",
    "did_not": "false",
    "too_early": "early",
}
"""Where a score's name is too wide for a column."""
_LISTED: Final = 20
_NARROW = Narrow(clip={"target": 12, "predicted": 16, "measured": 16}, leave_out=("author",))

Advisor = Annotated[str, typer.Argument(metavar="NAME", help="As `lmx advice advisors` names it.")]


def advisors(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List the advisors, what each assumes, its last run, and the walls around all of them."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/advisors")
    found, walls = rows(answer, "advisors"), rows(answer, "walls")
    if as_json:
        output.as_json(answer)
        return
    for number, advisor in enumerate(found):
        if number:
            output.say("")
        output.show_fields(_advisor(advisor))
    output.say("", "Walls on this machine:")
    output.show_fields([(said(wall.get("name")), wall_stands(wall)) for wall in walls])


def run(name: Advisor, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Run an advisor now, behind its walls, and take what it proposes.

    Exits with 1 where it did not end well.
    """
    from app.cli.connection import connected

    with connected(server) as authority:
        answer = authority.post(advisor_path(name, "run"), {}, patient=True)
    if as_json:
        output.as_json(answer)
    else:
        output.show_fields(_run(answer))
        output.note_fields([("next", line) for line in _next(answer)])
    if answer.get("ended"):
        raise CommandError(f"{one_line(name)} did not end well: {said(answer['ended'])}")


def scorecard(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Say how each advisor fared: what was accepted, and whether what it predicted came.

    `true` and `false`: it came or did not. `early`: it is measured over a week, which is not over.
    """
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/advice/scorecard")
    found, proposals = rows(answer, "advisors"), rows(answer, "proposals")
    if as_json:
        output.as_json(answer)
        return
    heads = [_HEADS.get(name, name) for name in _SCORES]
    output.show_table(
        ("author", *heads),
        [(said(one.get("author")), *(one_line(one.get(s)) for s in _SCORES)) for one in found],
        empty="Nothing was proposed yet. To ask an advisor: lmx advice run housekeeping",
        right=frozenset(heads),
    )
    if not proposals:
        return
    output.say("")
    output.show_table(
        ("proposal", "what", "target", "predicted", "measured", "verdict", "author"),
        map(_scored, proposals[:_LISTED]),
        empty="",
        narrow=_NARROW,
    )
    if len(proposals) > _LISTED:
        output.say(f"and {len(proposals) - _LISTED} more; --json lists all")


def snapshot(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Say what advice is made from; --json prints all of it, as a bot gets it."""
    from app.cli.connection import connected

    with connected(server) as authority:
        answer = authority.get("/advisory/snapshot")
    if as_json:
        output.as_json(answer)
        return
    found = answer.get("snapshot")
    output.show_fields(_facts(answer, found if isinstance(found, Mapping) else {}))
    output.note("--json prints all of it.")


def register(app: typer.Typer) -> None:
    for command in (run, advisors, scorecard, snapshot):
        app.command(command.__name__)(command)


def advisor_path(name: str, act: str) -> str:
    """An address of an advisor's; its name can be no other address."""
    if not (name.isascii() and name.replace("-", "").isalnum() and len(name) <= 64):
        raise CommandError(
            f"{one_line(name)!r} names no advisor. See: lmx advice advisors",
            exit_code=ExitCode.USAGE,
        )
    return f"/authority/advisors/{name}/{act}"


def wall_stands(wall: Mapping[str, Any]) -> str:
    why = said(wall.get("why") or "no reason was given")
    match graded(wall):
        case Wall.STANDS:
            return "stands"
        case Wall.NEVER:
            return f"not on this system: {why}"
        case Wall.MISSING:
            return f"DOES NOT STAND: {why}"


def _advisor(advisor: Mapping[str, Any]) -> Rows:
    last = advisor.get("last")
    ran = _last(last) if isinstance(last, Mapping) else "never"
    when = "by itself and when asked" if advisor.get("enabled") else "only when asked"
    return [
        ("advisor", said(advisor.get("name"))),
        ("runs", when),
        ("assumes", said(advisor.get("assumes"))),
        ("sure", said(advisor.get("sure"))),
        ("last run", ran),
    ]


def _last(last: Mapping[str, Any]) -> str:
    ended = f"; NOT WELL: {said(last['ended'])}" if last.get("ended") else ""
    kept = f"{said(last.get('kept'))} kept, {said(last.get('refused'))} refused"
    return f"{utc_time(last.get('at_us'))}: {kept}, {_tried(last.get('tried'))}{ended}"


def _run(answer: Mapping[str, Any]) -> Rows:
    tried = listed(answer.get("tried"))
    return [
        ("advisor", said(answer.get("name"))),
        ("kept", said(_count(answer.get("kept")))),
        ("refused", said(_count(answer.get("refused")))),
        ("tried", _tried(answer.get("tried"))),
        *(("", f"{said(one.get('what'))}: {said(one.get('which'))}") for one in tried[:_LISTED]),
        *(("no answer", said(why)) for why in _texts(answer.get("unanswered"))),
        ("took", f"{said(answer.get('elapsed_ms'))} ms, {said(answer.get('cpu_ms'))} ms of a core"),
        ("memory", size(answer.get("peak_bytes"))),
    ]


def _next(answer: Mapping[str, Any]) -> list[str]:
    """What to do after a run; what did not end well is told as an error."""
    if answer.get("kept"):
        return ["lmx advice ls shows what it proposes"]
    if answer.get("refused"):
        who = f"advisor:{said(answer.get('name'))}"
        return [f"what was refused, and why: lmx ledger ls --actor {who}"]
    if answer.get("ended") or _texts(answer.get("unanswered")):
        return []
    if answer.get("questions"):
        return ["nothing: the model's answer held nothing that could be proposed"]
    return ["nothing: it found nothing to propose. What it looked at: lmx advice snapshot"]


def _texts(found: object) -> list[object]:
    return found if isinstance(found, list) else []


def _tried(found: object) -> str:
    count = _count(found)
    things = "thing" if count == 1 else "things"
    return f"{count} {things} it may not do" if count else "nothing it may not do"


def _count(found: object) -> object:
    return len(found) if isinstance(found, list) else found


def _scored(proposal: Mapping[str, Any]) -> tuple[str, ...]:
    measured = proposal.get("measured")
    return (
        said(proposal.get("id")),
        said(proposal.get("kind")),
        said(proposal.get("target")),
        predicted(proposal.get("predicted")),
        predicted(measured) if measured else "-",
        said(proposal.get("verdict")).replace("_", " "),
        said(proposal.get("author")),
    )


def _facts(answer: Mapping[str, Any], snapshot: Mapping[str, Any]) -> Rows:
    use = snapshot.get("use")
    columns = use.get("columns") if isinstance(use, Mapping) else None
    hours = columns.get("hour") if isinstance(columns, Mapping) else None
    return [
        ("digest", said(answer.get("digest"))),
        ("taken", utc_time(snapshot.get("taken_us"))),
        ("looks back", f"{said(snapshot.get('days'))} days"),
        ("models", str(len(snapshot.get("models") or ()))),
        ("aliases", str(len(snapshot.get("aliases") or ()))),
        ("rows of use", str(len(hours or ()))),
        ("holds no", "prompt, answer, key, person, note"),
    ]
