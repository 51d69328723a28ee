"""What of the record, the guardrails and the advice has to be known at a glance. Pure."""

from collections.abc import Mapping
from typing import Any

from app.cli.text import objects, one_line, pick, utc_seconds
from app.cli.walls import in_short

Rows = list[tuple[str, str]]


def health(answer: Mapping[str, Any]) -> Rows:
    return [
        *_ledger(section(answer, "ledger")),
        *_guardrails(section(answer, "guardrails")),
        *_advice(section(answer, "advice")),
    ]


def section(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = answer.get(name)
    return found if isinstance(found, Mapping) else {}


def _ledger(ledger: Mapping[str, Any]) -> Rows:
    """How the record stands in one line, and a line for whatever is not well."""
    written = "writable" if ledger.get("available") else "NOT WRITABLE: no act happens"
    size, signed = ledger.get("size"), pick(ledger, "checkpoint", "size")
    sinks = objects(ledger.get("sinks"))
    behind = [sink for sink in sinks if not sink.get("ok") or sink.get("lag")]
    copies = "" if behind or not sinks else ", copies up to date"
    all_signed = "all signed" if signed == size else f"{one_line(signed)} signed"
    held = pick(ledger, "held_outside")
    outside = (
        f"{one_line(held.get('size'))} events, cosigned {utc_seconds(held.get('time_s'))}"
        if isinstance(held, dict)
        else "nothing: whoever owns this machine could rewrite it all"
    )
    rows = [
        ("ledger", f"{one_line(size)} events, {written}, {all_signed}{copies}"),
        ("held outside", outside),
    ]
    for sink in behind:
        kind = "required" if sink.get("required") else "optional"
        rows.append((f"copy {one_line(sink.get('name'))}", f"{kind}, {_trouble(sink)}"))
    if ledger.get("disk_warning_percent"):
        rows.append(("disk", f"more than {one_line(ledger['disk_warning_percent'])}% full"))
    if pick(ledger, "reserve", "in_use"):
        rows.append(("reserve", "IN USE: the disk is full, only refusals are recorded"))
    return rows


def _trouble(sink: Mapping[str, Any]) -> str:
    return f"{one_line(sink.get('lag'))} events behind. {one_line(sink.get('why') or '')}".strip()


def _guardrails(found: Mapping[str, Any]) -> Rows:
    """Which document is active and how many tasks decide; plainly, where none can be asked."""
    if not found:
        return []
    if found.get("trouble"):
        said = f"CANNOT BE ASKED, so acts are refused: {one_line(found['trouble'])}"
        return [("guardrails", said)]
    tasks = found.get("tasks")
    count = "1 task decides" if tasks == 1 else f"{one_line(tasks)} tasks decide"
    return [("guardrails", f"version {one_line(found.get('version'))} is active, {count}")]


def _advice(found: Mapping[str, Any]) -> Rows:
    """How many proposals wait for a person, and whether advisors are walled in."""
    if not found:
        return []
    count, walls = found.get("open"), found.get("walls")
    waiting = "1 proposal waits" if count == 1 else f"{one_line(count)} proposals wait"
    return [
        ("advice", f"{waiting} for a person (lmx advice ls)" if count else "nothing waits"),
        (
            "walls",
            in_short(objects(walls))
            if isinstance(walls, list)
            else "not looked at yet (lmx doctor)",
        ),
    ]
