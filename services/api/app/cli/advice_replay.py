"""`lmx advice replay`: what a month would have been with an advisor's advice always taken."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from app.cli import output
from app.cli.advice_running import Advisor, advisor_path
from app.cli.advice_shown import Rows, listed, said
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.text import size

_FIRST: Final = ("name", "month", "seed")
_MEANT: Final[Mapping[str, str]] = {
    "name": "advisor",
    "cold_starts": "cold starts with the advice",
    "cold_starts_lru": "cold starts with plain LRU",
    "cold_starts_idle": "cold starts with LRU and idle time",
    "avoided_percent": "avoided of plain LRU's",
    "hits": "loads used within 2 h",
    "wrong": "wrong advice",
}
"""Rows of a replay whose names do not say it."""
_NO_ADVICE: Final = (
    "it proposed nothing in that month, so both servers did the same. In a replay no model is "
    "asked anything, and only what is loaded, unloaded, pinned and unpinned makes a difference."
)
_UNITS: Final = {"_bytes": "", "_percent": "%", "_ms": "ms"}


class Month(StrEnum):
    """What an advisor is replayed over."""

    office = "office"
    rotation = "rotation"
    none = "none"
    recorded = "recorded"


def replay(
    name: Advisor,
    month: Annotated[
        Month, typer.Option("--month", help="Generated, or what this server recorded.")
    ] = Month.office,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", min=0, max=2**31 - 1, help="Of what is generated.")
    ] = 0,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Take an advisor's advice through a whole month, beside plain LRU. Changes nothing here."""
    from app.cli.connection import connected

    with connected(server) as authority:
        asked = {"month": str(month), "seed": seed}
        answer = authority.post(advisor_path(name, "replay"), asked, patient=True)
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(_report(answer))
    if answer.get("proposals") == 0:
        output.note_fields([("note", _NO_ADVICE)])
    if answer.get("ended"):
        raise CommandError(f"The replay did not end well: {said(answer['ended'])}")


def _report(answer: Mapping[str, Any]) -> Rows:
    """Whatever a replay measured, one line each; what is nested by its path."""
    rows: Rows = []
    first = {name: answer[name] for name in _FIRST if name in answer}
    for name, value in {**first, **answer}.items():
        if name == "ended":
            continue  # told at the end
        label, shown = _measure(name, value)
        if isinstance(value, Mapping):
            rows += [(f"{label} {inner}", text) for inner, text in _report(value)]
        elif isinstance(value, list) and listed(value):
            rows.append((label, f"{len(value)}; --json lists them"))
        else:
            rows.append((label, shown))
    return rows


def _measure(name: str, value: object) -> tuple[str, str]:
    """A label in words, and the value with the unit that the name ends with."""
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    label = _MEANT.get(name) or said(name.removesuffix(unit)).replace("_", " ")
    shown = size(value) if unit == "_bytes" else f"{said(value)} {_UNITS.get(unit, '')}"
    return label, shown.strip()
