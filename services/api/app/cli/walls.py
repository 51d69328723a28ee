"""The walls around advisors, as the server tells them: which stand, are missing, are never here."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from app.cli.text import one_line, visible


class Wall(StrEnum):
    """`NEVER`: no machine of this kind has it, and others stand in for it. `MISSING`: it should
    stand here."""

    STANDS = "stands"
    NEVER = "never here"
    MISSING = "does not stand"


NEVER: Final[Mapping[str, str]] = {
    "ends-with-parent": "only Linux can: the alarm ends it instead",
    "limits": "not limited: memory (the server watches it)",
}
"""Walls that some systems never have, and what is said of one there. Whatever else is said of the
same wall is a failure: of `limits`, any that the kernel did not take."""


def graded(wall: Mapping[str, Any]) -> Wall:
    if wall.get("stands") is True:
        return Wall.STANDS
    name, why = wall.get("name"), wall.get("why")
    return Wall.NEVER if why and NEVER.get(str(name)) == why else Wall.MISSING


def in_short(walls: list[Mapping[str, Any]]) -> str:
    """In one line, for the status."""
    names = {grade: [_name(wall) for wall in walls if graded(wall) is grade] for grade in Wall}
    if missing := names[Wall.MISSING]:
        return f"NOT ALL STAND around advisors: {', '.join(missing)} (lmx doctor)"
    if not walls:
        return "NONE IS NAMED (lmx doctor)"
    never = f"; this system never has {', '.join(names[Wall.NEVER])}" if names[Wall.NEVER] else ""
    return f"{len(names[Wall.STANDS])} stand around advisors{never}"


def _name(wall: Mapping[str, Any]) -> str:
    return visible(one_line(wall.get("name")))
