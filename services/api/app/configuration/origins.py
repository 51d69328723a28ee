"""Where each value comes from: the default, a line of the file, or the command line. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.configuration.reading import Loaded
from app.configuration.reloading import flat, is_reloaded
from app.configuration.table import RELOAD, RESTART
from app.settings import Settings

DEFAULT: Final = "default"
COMMAND_LINE: Final = "command line"


@dataclass(frozen=True, slots=True)
class Value:
    """`origin` says where `value` is from."""

    name: str
    value: Any
    origin: str


def values(loaded: Loaded) -> tuple[Value, ...]:
    """Each setting in the order of the template."""
    return tuple(
        Value(name, value, _origin(name, loaded)) for name, value in flat(loaded.settings).items()
    )


def _origin(name: str, loaded: Loaded) -> str:
    if name in loaded.given:
        return COMMAND_LINE
    line = loaded.lines.get(tuple(name.split(".")))
    return f"{loaded.path.name} line {line}" if line else DEFAULT


def rows(in_force: Loaded, in_file: Loaded | None) -> list[dict[str, Any]]:
    """Each setting in force; where the file says otherwise by now, what and what that waits for.

    `in_file`: what the file says by now; None where it cannot be used.
    """
    waiting = _differing(in_force.settings, in_file)
    defaults = flat(Settings())
    return [
        {
            "name": held.name,
            "value": held.value,
            "default": defaults[held.name],
            "origin": held.origin,
            **({"waiting": waiting[held.name]} if held.name in waiting else {}),
        }
        for held in values(in_force)
    ]


def _differing(in_force: Settings, in_file: Loaded | None) -> Mapping[str, dict[str, Any]]:
    if in_file is None:
        return {}
    held = flat(in_force)
    return {
        wanted.name: {
            "value": wanted.value,
            "origin": wanted.origin,
            "for": RELOAD if is_reloaded(wanted.name) else RESTART,
        }
        for wanted in values(in_file)
        if held[wanted.name] != wanted.value
    }
