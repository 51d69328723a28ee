"""`lmx rules`: every hard rule, where it is enforced and which test holds it."""

from typing import Any

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.text import one_line, utc_time

_SHOWN_ON_TOP = frozenset({"id", "sentence"})


def rules(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List every hard rule: its tier, where it is enforced, which test holds it."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/rules")
    found = rows(answer, "rules")
    if as_json:
        output.as_json(answer)
        return
    for rule in found:
        output.show_fields([(one_line(rule.get("id")), one_line(rule.get("sentence")))])
        output.show_fields(_details(rule))
        output.say("")
    output.show_fields([("rules", str(len(found))), ("digest", one_line(answer.get("digest")))])


def _details(rule: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            f"  {name.replace('_', ' ')}",
            _override(value) if name == "set_aside" else one_line(value),
        )
        for name, value in rule.items()
        if name not in _SHOWN_ON_TOP and value not in (None, "", [])
    ]


def _override(aside: Any) -> str:
    """What holds instead of a rule, until when, and on whose word."""
    found = aside if isinstance(aside, dict) else {}
    until = utc_time(found.get("until_us"))
    said = f"{found.get('value')}, until {until}, by {found.get('by')}, ask {found.get('ask')}"
    return one_line(f"{said}: {found.get('reason')}")
