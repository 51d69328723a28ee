"""What a plan about guardrails says to whoever decides: changes first, before -> after. Pure.

Sentences and values come from documents and intents that others wrote, so all of it is cleaned, and
the intent itself is marked as words of whoever asks.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import orjson

from app.authority.approvals.page import Page
from app.authority.approvals.untrusted import clean
from app.authority.approvals.wording import flat, in_words

Section = tuple[str, Callable[[], None]]
Effects = Mapping[str, Any]


def sections(act: str, effects: Effects, page: Page) -> Iterator[Section] | None:
    """Headings, and what writes below each.

    None for an act that is not about guardrails, and for a plan of another shape: all that such a
    plan holds is shown, name by name, as of any other act.
    """
    needed, known = _SECTIONS.get(act, (frozenset(), None))
    return known(effects, page) if known is not None and needed == effects.keys() else None


def _rebind(effects: Effects, page: Page) -> Iterator[Section]:
    yield f"CHANGES: {len(effects['tasks']):,}, all of them", lambda: _changes(effects, page)
    if any(task["delta"] for task in effects["tasks"]):
        yield "WHAT IT WOULD HAVE DECIDED", lambda: _estimate(effects["guardrails"], page)


def _estimate(document: Effects, page: Page) -> None:
    """Where the impact is to be had: it is another after each decision, so no plan can hold it."""
    page.say(
        "No part of this plan, because every decision changes it. How often these rules would have "
        "been met in the last 30 days, before and after:"
    )
    page.say(f"lmx guardrails recompile --version {document['version']}", indent=4)


def _changes(effects: Effects, page: Page) -> None:
    _under("bound as under", effects["guardrails"], page)
    for task in effects["tasks"]:
        before, after = task["before"], task["after"]
        page.name("", str(task["task"]))
        for part in task["delta"]:
            page.say(f"{clean(str(part['what']))}: {_from_to(part)}", indent=4)
        if not task["delta"]:
            page.say("decides as before; only the document is another", indent=4)
        page.say(f"before: {clean(before['sentence'])}", indent=4)
        page.say(f"after: {clean(after['sentence'])}", indent=4)
        page.say(f"version {_from_to_of(before, after, 'version')}", indent=4)
        page.say(f"guardrails version {_from_to_of(before, after, 'guardrails')}", indent=4)
        _details(after, page)
    _names("stay as they are", effects["stay"], page)


def _activate(effects: Effects, page: Page) -> Iterator[Section]:
    def changes() -> None:
        was, now = effects["from"], effects["to"]
        page.say(f"active document: version {_from_to_of(was, now, 'version')}")
        _names("keys that differ", effects["changed"], page)

    def affected() -> None:
        page.say("What is bound stays bound. Bound anew, these could be others:")
        _names("tasks", effects["affected"], page)
        page.say("SHA-256 of the document:")
        page.digest(effects["to"]["hash"])

    yield "CHANGES", changes
    yield "WHAT IT CONCERNS", affected
    if effects["affected"]["count"]:
        yield "WHAT IT WOULD HAVE DECIDED", lambda: _estimate(effects["to"], page)


def _add(effects: Effects, page: Page) -> Iterator[Section]:
    def means() -> None:
        _meaning(effects["binds"], page)
        if page.whole:
            _under("compiled under", effects["guardrails"], page)
            page.say("asked for as (UNTRUSTED):", indent=4)
            page.quoted(str(effects["asked"]))

    yield "WHAT IT MEANS", means
    if effects["replaces"] is not None:
        yield "IN PLACE OF", lambda: _meaning(effects["replaces"], page)


def _retire(effects: Effects, page: Page) -> Iterator[Section]:
    yield "WHAT DECIDES NO LONGER", lambda: _meaning(effects["retires"], page)


_SECTIONS: Final[
    Mapping[str, tuple[frozenset[str], Callable[[Effects, Page], Iterator[Section]]]]
] = {
    "guardrails_rebind": (frozenset({"guardrails", "tasks", "stay"}), _rebind),
    "guardrails_activate": (frozenset({"from", "to", "changed", "affected"}), _activate),
    "guardrails_add": (frozenset({"binds", "replaces", "guardrails", "asked"}), _add),
    "guardrails_retire": (frozenset({"retires"}), _retire),
}
"""What a plan of each act holds, all of which is shown, and what shows it."""


def _meaning(task: Effects, page: Page) -> None:
    """What an intent was compiled to, then the intent, then where each number is from."""
    page.say(clean(task["sentence"]))
    page.say(f"action: {clean(task['action'])}")
    page.say(f"asked at: {', '.join(clean(point) for point in task['points'])}")
    page.say("intent (UNTRUSTED: words of whoever wrote it):")
    page.quoted(_said(task["intent"]))
    for line in task["why"]:
        page.say(f"why: {clean(line)}")
    page.say(f"version {task['version']}, under guardrails version {task['guardrails']}")
    _details(task, page)


def _said(intent: object) -> str:
    """An intent as it was given: in words, or as a structure."""
    if isinstance(intent, str):
        return intent
    return orjson.dumps(intent, option=orjson.OPT_SORT_KEYS).decode()


def _details(task: Effects, page: Page) -> None:
    """The compiled condition itself, for whoever looks at all of it."""
    if not page.whole:
        return
    for label, value in flat({"condition": task["condition"]}):
        page.say(f"{clean(label)}: {in_words('', value)}", indent=4)
    page.say("ir hash:", indent=4)
    page.digest(task["ir_hash"], indent=6)


def _under(label: str, document: Effects, page: Page) -> None:
    page.say(f"{label}: guardrails version {document['version']}")
    page.digest(document["hash"])


def _names(label: str, listed: Effects, page: Page) -> None:
    count, names = listed["count"], listed["names"]
    page.say(f"{label}: {count:,}")
    for name in names:
        page.name("", str(name), indent=4)
    if len(names) < count:
        page.say(f"and {count - len(names):,} more, not in this plan", indent=4)


def _from_to(part: Effects) -> str:
    label = "window_s" if str(part["what"]).endswith(".window") else ""
    return f"{_value(label, part['before'])} -> {_value(label, part['after'])}"


def _from_to_of(before: Effects, after: Effects, name: str) -> str:
    return f"{before[name]} -> {after[name]}"


def _value(label: str, value: object) -> str:
    """A list as a list, so that nobody takes two values for one; nothing as nothing."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"[{', '.join(in_words('', item) for item in value)}]"
    return in_words(label, value)
