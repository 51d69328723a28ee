"""The running server, by what its status and its probes say. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from app.cli.looking.checks import Check, stands, worth_a_look, wrong
from app.cli.text import objects, one_line, pick, size, visible

VERIFY: Final = "Look at the log, then: lmx ledger verify"


def checks(status: Mapping[str, Any], parts: Mapping[str, Any], release: str) -> list[Check]:
    """`parts`: of /readyz, by name, whether each is well. `release`: of this command line."""
    return [
        _release(one_line(status.get("version")), release),
        _safe_mode(status.get("safe_mode")),
        _database(parts),
        _ledger(status.get("ledger")),
        *_copies(objects(pick(status, "ledger", "sinks"))),
        _guardrails(status.get("guardrails")),
        _budget(pick(status, "memory", "budget_bytes")),
    ]


def _release(theirs: str, ours: str) -> Check:
    if not ours or theirs == ours:
        return stands("release", theirs)
    return wrong(
        "release",
        f"The server is {theirs}, this command line {ours}.",
        "Restart the server, so that both are of one release.",
    )


def _safe_mode(said: object) -> Check:
    if not said:
        return stands("normal start", "not in safe mode")
    return wrong(
        "normal start",
        f"Safe mode: {visible(one_line(said))}",
        "Find the cause in the log; load by hand what is needed: lmx models load NAME. A stop in "
        "good order and a start end it.",
    )


def _database(parts: Mapping[str, Any]) -> Check:
    bad = [one_line(name) for name, well in parts.items() if not well]
    if bad:
        return wrong("database", f"Not ready: {', '.join(bad)}.", VERIFY)
    return stands("database", "its guards were found as this release made them, at the start")


def _ledger(found: object) -> Check:
    if isinstance(found, Mapping) and found.get("available"):
        return stands("ledger", f"{one_line(found.get('size'))} events, writable")
    return wrong("ledger", "It cannot be written, so no act happens.", f"Make room. {VERIFY}")


def _copies(sinks: list[Mapping[str, Any]]) -> list[Check]:
    """Each copy of the ledger that is behind; a required one stops acts."""
    return [
        Check(
            f"copy {one_line(sink.get('name'))}",
            stands=False,
            why=f"{one_line(sink.get('lag'))} events behind. {visible(one_line(sink.get('why')))}",
            do=f"Look at its volume: {visible(one_line(sink.get('path')))}",
            grave=bool(sink.get("required")),
        )
        for sink in sinks
        if not sink.get("ok") or sink.get("lag")
    ]


def _guardrails(found: object) -> Check:
    trouble = found.get("trouble") if isinstance(found, Mapping) else None
    if trouble:
        said = visible(one_line(trouble))
        return wrong("guardrails", said, "lmx guardrails show; lmx ledger verify")
    return stands("guardrails")


def _budget(budget: object) -> Check:
    if isinstance(budget, int) and budget > 0:
        return stands("memory budget", f"{size(budget)} may be loaded now")
    return worth_a_look(
        "memory budget",
        "No further model can be loaded now.",
        "`lmx status` shows what takes the memory; lmx models unload NAME frees some.",
    )
