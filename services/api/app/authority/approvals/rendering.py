"""The only place that says what a person sees of a plan: lines of text, made from its bytes. Pure.

Nothing that others wrote can begin a line, leave its line or be invisible; headings begin lines and
nothing else does. Every target stands before the first file, and the hash of the whole list of
files stands beside however many of them are shown.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.authority.approvals import guarded_page
from app.authority.approvals.page import Page, continued, grouped
from app.authority.approvals.plans import Plan, parse
from app.authority.approvals.untrusted import clean, oddities
from app.authority.approvals.wording import byte_count, duration, flat, in_words, size, utc_time
from app.authority.policy.decisions import Fired

WIDTH: Final = 60
NARROWEST: Final = 30
FILES: Final = 12
"""How many files are listed, unless all are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is known beside the plan's bytes.

    `drift`: what would be another if the plan were drawn now (`plans.differences`), None when
    nobody looked. `needed`: who has yet to approve, in words.
    """

    drift: tuple[str, ...] | None = None
    rules: tuple[Fired, ...] = ()
    needed: tuple[str, ...] = ()


def render(
    content: bytes, *, width: int = WIDTH, whole: bool = False, now: Now | None = None
) -> tuple[str, ...]:
    """The plan as lines of at most `width` columns; `whole`: every file and every digest in full.

    Raises ValueError when `content` is not a plan. The same arguments give the same lines.
    """
    page = Page(max(width, NARROWEST), whole)
    plan = parse(content)
    for heading, section in _sections(plan, page, now or Now()):
        page.heading(heading)
        section()
    return tuple(page.lines)


def _sections(plan: Plan, page: Page, now: Now) -> Iterator[tuple[str, Any]]:
    """In the order in which a person needs them."""
    body = plan.body
    targets, files = body["targets"], body["files"]
    own = guarded_page.sections(body["act"], body["effects"], page)
    yield "WHAT", lambda: _what(body, page, effects=own is None)
    yield from own or ()
    count = f"{len(targets):,}, all of them" if targets else "none"
    yield f"TARGETS: {count}", lambda: _targets(targets, page)
    if _moves_bytes(body):
        yield "DISK", lambda: _disk(body, page)
        yield f"FILES: {len(files):,}", lambda: _files(files, page)
    yield "WHAT DEPENDS ON IT", lambda: _dependents(body, page)
    yield "UNDOING IT", lambda: _undoing(body, page)
    yield "WHO ASKS", lambda: _asked(body, page)
    yield "POLICY", lambda: _policy(body, page, now)
    yield "CHANGED SINCE IT WAS ASKED", lambda: _drift(page, now)
    yield "DEADLINES", lambda: _deadlines(body, page)
    yield "HASH OF THIS PLAN", lambda: _hash(plan.hash, page)
    yield "TO APPROVE, TYPE ON ONE LINE", lambda: _typed(plan, page)


def _what(body: Mapping[str, Any], page: Page, *, effects: bool) -> None:
    page.name(f"{clean(str(body['verb']))} ", str(body["subject"]))
    page.say(f"kind: {clean(str(body['act']))}")
    for label, value in sorted(flat(body["effects"])) if effects else ():
        page.named(label, value)


def _targets(targets: Sequence[Mapping[str, Any]], page: Page) -> None:
    for target in targets:
        page.name(f"{clean(str(target.get('kind', '')))} ", str(target.get("id", "")))
        if target.get("digest"):
            page.digest(target["digest"])
        for label, value in sorted(target.items()):
            if label not in ("kind", "id", "digest"):
                page.say(f"{clean(label)}: {in_words(label, value)}", indent=4)


def _moves_bytes(body: Mapping[str, Any]) -> bool:
    """Whether there is anything to say about files at all; a key has none."""
    return bool(body["files"] or body["bytes_freed"] or body["bytes_kept"])


def _disk(body: Mapping[str, Any], page: Page) -> None:
    page.say(f"frees {byte_count(body['bytes_freed'])}")
    page.say(f"keeps {byte_count(body['bytes_kept'])} that others share")


def _files(files: Sequence[Mapping[str, Any]], page: Page) -> None:
    if not files:
        page.say("none")
        return
    page.say("SHA-256 of the whole list:")
    page.digest(_list_digest(files))
    shown = files if page.whole else files[:FILES]
    for file in shown:
        fate, bytes_ = clean(str(file.get("fate", ""))), size(file.get("size", 0))
        page.name(f"{fate}, {bytes_}: ", str(file.get("path", "")))
        if page.whole and file.get("sha256"):
            page.digest(file["sha256"])
    if len(shown) < len(files):
        page.say(f"and {len(files) - len(shown):,} more, not shown here")


def _dependents(body: Mapping[str, Any], page: Page) -> None:
    for label, value in sorted(body["dependents"].items()):
        page.named(label, value)
    if body["again"] is not None:
        page.name("download again: from ", str(body["again"]))
    elif _moves_bytes(body):
        page.say("download again: from nowhere that is known. This may be the last copy.")
    elif not body["dependents"]:
        page.say("nothing")


def _undoing(body: Mapping[str, Any], page: Page) -> None:
    grace = body["grace_s"]
    if body["irreversible"] and not grace:
        page.say("It cannot be undone.")
    elif grace:
        page.say(f"It can be undone for {duration(grace)} after it is done, and then never.")
    else:
        page.say("It can be undone.")


def _asked(body: Mapping[str, Any], page: Page) -> None:
    asked = body["asked_by"]
    page.name("", str(asked["id"]))
    page.named("person", asked["person"])
    page.named("roles", asked["roles"])
    page.say(f"asked: {utc_time(body['created_us'])}")
    if body["reason"]:
        page.say("reason (UNTRUSTED: words of whoever asks):")
        page.quoted(str(body["reason"]))
    else:
        page.say("reason: none was given")


def _policy(body: Mapping[str, Any], page: Page, now: Now) -> None:
    page.say("policy:")
    page.digest(body["policy_hash"])
    for fired in now.rules:
        page.say(f"{clean(fired.rule)} ({fired.outcome}): {clean(fired.sentence)}")
    for needed in now.needed:
        page.say(f"needs: {clean(needed)}")


def _drift(page: Page, now: Now) -> None:
    if now.drift is None:
        page.say("It is drawn again before it is executed; any difference stops it.")
    elif not now.drift:
        page.say("Drawn again just now: the same.")
    else:
        changed = ", ".join(clean(part).replace("_", " ") for part in now.drift)
        page.say(f"DRAWN AGAIN JUST NOW, IT IS ANOTHER PLAN: {changed}. It cannot be executed.")


def _deadlines(body: Mapping[str, Any], page: Page) -> None:
    page.say(f"approve before {utc_time(body['approve_by_us'])}")
    page.say(f"execute before {utc_time(body['execute_by_us'])}")


def _hash(digest: str, page: Page) -> None:
    page.say(grouped(digest[:32]))
    page.say(grouped(digest[32:]))


def _typed(plan: Plan, page: Page) -> None:
    typed = plan.typed
    if clean(typed).replace("\\\\", "\\") != typed:
        page.say("CAREFUL: it has characters that nobody can see, and so cannot be approved:")
        typed = clean(typed)
    for oddity in oddities(str(plan.body["phrase"])):
        page.say(f"CAREFUL: it {oddity}.")
    page.lines += continued(typed, page.width)


def _list_digest(files: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256(orjson.dumps(files, option=orjson.OPT_SORT_KEYS)).hexdigest()
