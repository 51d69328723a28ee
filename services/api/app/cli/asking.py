"""The only place that takes a person through an ask: made, shown, typed, proved, executed, told.

Every command whose act needs an approval comes through here. The plan that is shown was rendered by
the server; what is typed decides on that plan and on no other.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from app.cli import confirmation, output
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import clean, one_line, pick, size, utc_time

if TYPE_CHECKING:
    from app.cli.connection import Server

ASKS: Final = "/authority/approvals"
_NARROWEST, _WIDEST = 30, 100
_UNREADABLE: Final = (
    "The server's answer cannot be decided on: its plan and what is to be typed do not agree. "
    "Nothing was decided. Update lmx and the server to the same version."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, as measured. `answer` is for whoever executed only."""

    ask: Mapping[str, Any]
    effect: Mapping[str, Any]
    answer: Mapping[str, Any] = field(repr=False)


def governed(
    server: "Server",
    act: str,
    params: Mapping[str, Any],
    *,
    reason: str = "",
    subject_note: str = "",
) -> Outcome:
    """Ask for `act` and, where this key and this terminal may, approve and execute it at once.

    Otherwise it ends as waiting for an approval. Prints the plan, and at the end what was done.
    """
    if subject_note:
        output.note(subject_note)
    body = {"act": act, "params": dict(params), "reason": reason}
    made = server.post(ASKS, body, patient=True)
    return follow(server, _id(made))


def follow_made(server: "Server", made: Mapping[str, Any]) -> Outcome:
    """The rest of `governed` for an ask just made, by a key that may perhaps not read it again."""
    if pick(made, "you", "may_approve"):
        return follow(server, _id(made))
    show_plan(made)
    raise waiting(made)


def follow(server: "Server", ask_id: str) -> Outcome:
    """The rest of `governed`, for an ask that was made already."""
    shown = fetch(server, ask_id)
    show_plan(shown)
    if shown.get("state") == "pending":
        if not pick(shown, "you", "may_approve") or not confirmation.has_terminal():
            raise waiting(shown)
        shown = approve(server, shown)
    if shown.get("state") != "approved":
        raise waiting(shown)
    return execute(server, _id(shown))


def fetch(server: "Server", ask_id: str, *, whole: bool = False) -> dict[str, Any]:
    """An ask with its plan as lines for this terminal."""
    width = output.width_of(sys.stderr) or output.width_of(sys.stdout) or 60
    fitting = min(max(width, _NARROWEST), _WIDEST)
    return server.get(ask_path(ask_id), width=fitting, whole="true" if whole else None)


def show_plan(shown: Mapping[str, Any]) -> None:
    """The plan to stderr: what comes out of a command stays alone on stdout."""
    for line in plan_lines(shown):
        output.note(line)


def plan_lines(shown: Mapping[str, Any]) -> list[str]:
    found = shown.get("rendered")
    if not isinstance(found, list):
        return []
    return [clean(str(line), keep="") for line in found]


def approve(server: "Server", shown: Mapping[str, Any]) -> dict[str, Any]:
    """Let a person type what approves the plan that was `shown`, and send it with a fresh proof."""
    ask_id, typed, plan_hash = _id(shown), shown.get("typed_hint"), shown.get("plan_hash")
    if not isinstance(typed, str) or not isinstance(plan_hash, str) or not plan_lines(shown):
        raise CommandError(_UNREADABLE)
    if clean(typed, keep="") != typed or not typed.endswith(f" {plan_hash[-6:]}"):
        raise CommandError(_UNREADABLE)
    said = confirmation.decided_by_typing(
        typed,
        otherwise=f"Nothing was decided, and nothing was done. Ask {ask_id} still waits.",
    )
    return decide(server, shown, "approve", {"confirmation": said})


def decide(
    server: "Server", shown: Mapping[str, Any], decision: str, said: Mapping[str, Any]
) -> dict[str, Any]:
    """Send a decision on the plan that was `shown`, answering a challenge of this moment."""
    ask_id, plan_hash = _id(shown), shown.get("plan_hash")
    now = fetch(server, ask_id)
    if now.get("plan_hash") != plan_hash or now.get("state") != shown.get("state"):
        raise CommandError(
            f"Ask {ask_id} changed while you read it: it is {one_line(now.get('state'))} now. "
            f"Nothing was decided. Look again: lmx approvals show {ask_id}",
            exit_code=ExitCode.REFUSED,
        )
    challenge = now.get("challenge")
    if not isinstance(challenge, str) or not isinstance(plan_hash, str):
        why = one_line(pick(now, "you", "why_not") or f"ask {ask_id} waits for no decision")
        raise CommandError(f"This key cannot decide: {why}", exit_code=ExitCode.REFUSED)
    proof = server.prove(decision, plan_hash=plan_hash, challenge=challenge)
    body = {"plan_hash": plan_hash, "challenge": challenge, "proof": proof, **said}
    return server.post(ask_path(ask_id, decision), body, patient=True)


def execute(server: "Server", ask_id: str) -> Outcome:
    """Do what was approved and say what was measured. Ends as failed unless all of it was done."""
    answer = server.post(ask_path(ask_id, "execute"), {}, patient=True)
    parts = [answer.get(name) for name in ("ask", "effect", "answer")]
    ask, effect, given = (part if isinstance(part, dict) else {} for part in parts)
    ended = Outcome(ask, effect, given)
    _tell(ended, ask_id)
    return ended


def waiting(shown: Mapping[str, Any]) -> CommandError:
    """What somebody else has to do now."""
    ask_id, state = _id(shown), shown.get("state")
    if state not in ("pending", "approved"):
        why = one_line(shown.get("why") or shown.get("meaning"))
        return CommandError(f"Ask {ask_id} is {one_line(state)}: {why}", exit_code=ExitCode.REFUSED)
    why_not = pick(shown, "you", "why_not")
    if why_not:
        output.note(f"This key cannot approve it: {one_line(why_not)}")
    for needed in shown.get("needed") or ():
        output.note(f"It needs {one_line(needed)}.")
    typed = shown.get("typed_hint")
    if state == "pending" and isinstance(typed, str):
        output.note(f"An approver runs:  lmx approvals approve {ask_id}")
        output.note(f"and then types:    {clean(typed, keep='')}")
    return CommandError(
        f"Ask {ask_id} is waiting for approval. Nothing was done.", exit_code=ExitCode.WAITING
    )


def ask_path(ask_id: str, act: str = "") -> str:
    """The address of an ask; its id, or the beginning of it, can name nothing else."""
    if not 3 <= len(ask_id) <= 8 or not set(ask_id) <= set("0123456789abcdef"):
        raise CommandError(
            f"{one_line(ask_id)!r} is not an ask's id: 8 characters of 0-9 and a-f, or the first 3 "
            "of them and more. `lmx approvals ls` lists them.",
            exit_code=ExitCode.USAGE,
        )
    return f"{ASKS}/{ask_id}" + (f"/{act}" if act else "")


def _tell(ended: Outcome, ask_id: str) -> None:
    effect = ended.effect
    done = effect.get("outcome")
    failed = effect.get("failed")
    names = [one_line(name) for name in failed] if isinstance(failed, list) else []
    for name in names:
        output.note(f"failed: {name}")
    freed, files = effect.get("freed_bytes"), effect.get("files")
    measured = f"{size(freed or 0)} freed, {one_line(files or 0)} files"
    if done == "done":
        for line in _in_the_trash(effect) or [f"Done: {measured}." if freed or files else "Done."]:
            output.note(line)
        if effect.get("reason"):
            output.note(one_line(effect["reason"]))
        _hand_over(ended.answer)
        return
    why = one_line(effect.get("reason")) if effect.get("reason") else ""
    if done == "partial":
        raise CommandError(
            f"Only part of it was done: {measured}; {len(names)} failed. {why} "
            f"To go on: lmx approvals execute {ask_id}"
        )
    raise CommandError(f"It failed and changed nothing: {why or 'the server gave no reason'}.")


def _in_the_trash(effect: Mapping[str, Any]) -> list[str]:
    """What was moved and can still be had back; nothing where nothing was."""
    found = effect.get("data")
    data = found if isinstance(found, dict) else {}
    moved, until = data.get("trashed_bytes"), data.get("purge_after_us")
    if not isinstance(moved, int) or not isinstance(until, int):
        return []
    return [
        f"Done: {one_line(effect.get('files'))} files, {size(moved)}, are in the trash.",
        f"Their space is free after {utc_time(until)}.",
    ]


def _hand_over(answer: Mapping[str, Any]) -> None:
    """What is told once and kept nowhere: a new key's secret."""
    secret = answer.get("secret")
    if isinstance(secret, str):
        output.note("This is the only time its secret is shown. Store it now:")
        output.say(secret)


def _id(ask: Mapping[str, Any]) -> str:
    found = ask.get("id")
    if not isinstance(found, str):
        raise CommandError("The server answered without an ask. See `lmx approvals ls`.")
    return one_line(found)
