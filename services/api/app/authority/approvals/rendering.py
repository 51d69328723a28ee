"""The only place that says what a person sees of a plan: lines of text, made from its bytes. Pure.

Nothing that others wrote can begin a line, leave its line or be invisible; headings begin lines and
nothing else does. Every target stands before the first file, and the hash of the whole list of
files stands beside however many of them are shown.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from app.authority.approvals.plans import Plan, parse
from app.authority.approvals.untrusted import clean, columns, name, oddities
from app.authority.policy.decisions import Fired

WIDTH: Final = 60
NARROWEST: Final = 30
FILES: Final = 12
"""How many files are listed, unless all are asked for."""
_SHORT: Final = 16
_REASON: Final = 1000
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


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
    page = _Page(max(width, NARROWEST), whole)
    plan = parse(content)
    for heading, section in _sections(plan, page, now or Now()):
        page.heading(heading)
        section()
    return tuple(page.lines)


def grouped(digest: str) -> str:
    """A digest in groups of four, to be compared by eye or read out."""
    return " ".join(digest[i : i + 4] for i in range(0, len(digest), 4))


class _Page:
    """Lines so far. Everything but headings is indented."""

    def __init__(self, width: int, whole: bool) -> None:
        self.width = width
        self.whole = whole
        self.lines: list[str] = []

    def heading(self, text: str) -> None:
        self.lines += _folded(text, self.width, first="", rest="  ")

    def say(self, text: str, *, indent: int = 2) -> None:
        self.lines += _folded(text, self.width, first=" " * indent, rest=" " * (indent + 2))

    def named(self, label: str, value: object) -> None:
        self.say(f"{clean(label).replace('_', ' ')}: {_value(label, value)}")

    def name(self, before: str, text: str, *, indent: int = 2) -> None:
        """A name of others, and below it what is odd about it."""
        self.say(f"{before}{name(text)}", indent=indent)
        for oddity in oddities(text):
            self.say(f"CAREFUL: this name {oddity}.", indent=indent + 2)

    def quoted(self, text: str) -> None:
        """Words of others: every line of them is marked, and there are not many."""
        words = clean(text)
        self.lines += _folded(words[:_REASON], self.width, first="  | ", rest="  | ")
        if len(words) > _REASON:
            self.say(f"({len(words) - _REASON:,} more characters)")

    def digest(self, text: object, *, indent: int = 4) -> None:
        digest = clean(str(text))
        if self.whole:
            self.say(grouped(digest), indent=indent)
        else:
            self.say(grouped(digest[:_SHORT]) + (" ..." if digest[_SHORT:] else ""), indent=indent)


def _sections(plan: Plan, page: _Page, now: Now) -> Iterator[tuple[str, Any]]:
    """In the order in which a person needs them."""
    body = plan.body
    targets, files = body["targets"], body["files"]
    yield "WHAT", lambda: _what(body, page)
    yield f"TARGETS: {len(targets)}, all of them", lambda: _targets(targets, page)
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


def _what(body: Mapping[str, Any], page: _Page) -> None:
    page.name(f"{clean(str(body['verb']))} ", str(body["subject"]))
    page.say(f"kind: {clean(str(body['act']))}")
    for label, value in sorted(_flat(body["effects"])):
        page.named(label, value)


def _targets(targets: Sequence[Mapping[str, Any]], page: _Page) -> None:
    for target in targets:
        page.name(f"{clean(str(target.get('kind', '')))} ", str(target.get("id", "")))
        if target.get("digest"):
            page.digest(target["digest"])
        for label, value in sorted(target.items()):
            if label not in ("kind", "id", "digest"):
                page.say(f"{clean(label)}: {_value(label, value)}", indent=4)
    if not targets:
        page.say("none")


def _disk(body: Mapping[str, Any], page: _Page) -> None:
    page.say(f"frees {_bytes(body['bytes_freed'])}")
    page.say(f"keeps {_bytes(body['bytes_kept'])} that others share")


def _files(files: Sequence[Mapping[str, Any]], page: _Page) -> None:
    if not files:
        page.say("none")
        return
    page.say("SHA-256 of the whole list:")
    page.digest(_list_digest(files))
    shown = files if page.whole else files[:FILES]
    for file in shown:
        fate, size = clean(str(file.get("fate", ""))), _size(file.get("size", 0))
        page.name(f"{fate}, {size}: ", str(file.get("path", "")))
        if page.whole and file.get("sha256"):
            page.digest(file["sha256"])
    if len(shown) < len(files):
        page.say(f"and {len(files) - len(shown):,} more, not shown here")


def _dependents(body: Mapping[str, Any], page: _Page) -> None:
    for label, value in sorted(body["dependents"].items()):
        page.named(label, value)
    again = body["again"]
    if again is None:
        page.say("download again: from nowhere that is known. This may be the last copy.")
    else:
        page.name("download again: from ", str(again))


def _undoing(body: Mapping[str, Any], page: _Page) -> None:
    grace = body["grace_s"]
    if body["irreversible"] and not grace:
        page.say("It cannot be undone.")
    elif grace:
        page.say(f"It can be undone for {_duration(grace)} after it is done, and then never.")
    else:
        page.say("It can be undone.")


def _asked(body: Mapping[str, Any], page: _Page) -> None:
    asked = body["asked_by"]
    page.name("", str(asked["id"]))
    page.named("person", asked["person"])
    page.named("roles", asked["roles"])
    page.say(f"asked: {_time(body['created_us'])}")
    if body["reason"]:
        page.say("reason (UNTRUSTED: words of whoever asks):")
        page.quoted(str(body["reason"]))
    else:
        page.say("reason: none was given")


def _policy(body: Mapping[str, Any], page: _Page, now: Now) -> None:
    page.say("policy:")
    page.digest(body["policy_hash"])
    for fired in now.rules:
        page.say(f"{clean(fired.rule)} ({fired.outcome}): {clean(fired.sentence)}")
    for needed in now.needed:
        page.say(f"needs: {clean(needed)}")


def _drift(page: _Page, now: Now) -> None:
    if now.drift is None:
        page.say("It is drawn again before it is executed; any difference stops it.")
    elif not now.drift:
        page.say("Drawn again just now: the same.")
    else:
        changed = ", ".join(clean(part).replace("_", " ") for part in now.drift)
        page.say(f"DRAWN AGAIN JUST NOW, IT IS ANOTHER PLAN: {changed}. It cannot be executed.")


def _deadlines(body: Mapping[str, Any], page: _Page) -> None:
    page.say(f"approve before {_time(body['approve_by_us'])}")
    page.say(f"execute before {_time(body['execute_by_us'])}")


def _hash(digest: str, page: _Page) -> None:
    page.say(grouped(digest[:32]))
    page.say(grouped(digest[32:]))


def _typed(plan: Plan, page: _Page) -> None:
    typed = plan.typed
    if clean(typed).replace("\\\\", "\\") != typed:
        page.say("CAREFUL: it has characters that nobody can see, and so cannot be approved:")
        typed = clean(typed)
    for oddity in oddities(str(plan.body["phrase"])):
        page.say(f"CAREFUL: it {oddity}.")
    page.lines += continued(typed, page.width)


def continued(typed: str, width: int) -> list[str]:
    """One line in as many as it takes: as in a shell, a backslash at the end says it goes on."""
    lines: list[str] = []
    line = "  "
    for piece in re.findall(r"\S+ *| +", typed):
        if columns(line + piece) >= width and line != "  ":
            lines.append(f"{line}\\")
            line = "  "
        for char in piece:
            if columns(line + char) >= width:
                lines.append(f"{line}\\")
                line = "  "
            line += char
    return [*lines, line]


def _list_digest(files: Sequence[Mapping[str, Any]]) -> str:
    option = orjson.OPT_SORT_KEYS
    return hashlib.sha256(orjson.dumps([dict(file) for file in files], option=option)).hexdigest()


def _folded(text: str, width: int, *, first: str, rest: str) -> list[str]:
    """`text` in lines of at most `width` columns; a word that is longer than one is broken."""
    lines: list[str] = []
    line, empty = first, True
    for word in re.findall(r"\S+| {2,}", text):
        gap = "" if empty or word.isspace() else " "
        if columns(line + gap + word) <= width:
            line += gap + word
            empty = False
            continue
        if not empty and columns(rest + word) <= width:
            lines.append(line.rstrip())
            line, empty = rest + word.lstrip(), False
            continue
        line, empty = line + gap, False
        for char in word:
            if columns(line + char) > width:
                lines.append(line.rstrip())
                line = rest
            line += char
    return [*lines, line.rstrip()]


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for label, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{label}.")
        else:
            yield f"{prefix}{label}", inner


def _value(label: str, value: object) -> str:
    """Any plain value in words; what a number counts is told by the end of its name."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _counted(label, value)
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(str(k))} {_value(str(k), v)}" for k, v in sorted(value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(_value(label, inner) for inner in value)
    return _odd(name(str(value)), oddities(str(value)))


def _odd(text: str, why: Iterable[str]) -> str:
    return "".join([text, *(f" (CAREFUL: {reason})" for reason in why)])


def _counted(label: str, count: int) -> str:
    if label.endswith("_bytes") or label.startswith("bytes_"):
        return _bytes(count)
    if label.endswith("_us"):
        return _time(count)
    return _duration(count) if label.endswith("_s") else f"{count:,}"


def _size(count: int) -> str:
    if abs(count) < 1024:
        return f"{count} B"
    power = min(len(_UNITS), (abs(count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def _bytes(count: int) -> str:
    return f"{_size(count)} ({count:,} B)" if abs(count) >= 1024 else f"{count} B"


def _time(micros: int) -> str:
    try:
        moment = datetime.fromtimestamp(micros // 1_000_000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return f"{micros} us"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _duration(seconds: int) -> str:
    days = seconds // 86400 if seconds >= 2 * 86400 else 0
    hours = seconds // 3600 - days * 24
    parts = [(days, "d"), (hours, "h"), (seconds // 60 % 60, "min")]
    shown = [f"{count} {unit}" for count, unit in parts if count > 0]
    return " ".join((shown or [f"{seconds} s"])[:2])
