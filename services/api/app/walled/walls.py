"""Puts the walls up, each after those that it needs, and says which of them stand."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from app.domain.advice.contained import Wall
from app.walled import landlock, limits, sandbox, seccomp, telltale
from app.walled.kernel import CLibrary
from app.walled.limits import Allowance
from app.walled.standing import WITHOUT
from app.walled.telltale import Hear

Raise = Callable[[], Sequence[Wall]]

_OFF: Final = "left out of this bundle"


def raise_all(allowed: Allowance, parent: int, hear: Hear) -> list[Wall]:
    """None of this raises: a wall that is not there is said, and the others stand."""
    limits.be_last()
    library = limits.c_library()
    steps: list[tuple[tuple[str, ...], Raise]] = [
        ((limits.ALARM,), lambda: [limits.set_alarm(allowed)]),
        ((limits.PARENT,), lambda: [limits.end_with_parent(library, parent)]),
        ((limits.LIMITS,), lambda: [limits.raise_limits(allowed)]),
        *(_on_linux(library) if library else _elsewhere()),
        # After those that need a descriptor of their own to be put up.
        ((limits.NO_FILES,), lambda: [limits.no_descriptors()]),
    ]
    if library:
        steps.append(((seccomp.NAME,), lambda: [seccomp.raise_wall(library)]))
    steps.append(((telltale.NAME,), lambda: [telltale.begin(hear)]))
    return [wall for names, step in steps for wall in _raised(names, step)]


def _raised(names: tuple[str, ...], step: Raise) -> Sequence[Wall]:
    if WITHOUT.intersection(names):
        return [Wall(name, stands=False, why=_OFF) for name in names]
    return step()


def _on_linux(library: CLibrary) -> list[tuple[tuple[str, ...], Raise]]:
    of_landlock = (landlock.FILES, landlock.NETWORK, landlock.SIGNALS)
    return [
        ((limits.NO_NEW_PRIVILEGES,), lambda: [limits.no_new_privileges(library)]),
        ((limits.NO_CAPABILITIES,), lambda: [limits.no_capabilities(library)]),
        (of_landlock, lambda: landlock.raise_walls(library)),
    ]


def _elsewhere() -> list[tuple[tuple[str, ...], Raise]]:
    if sys.platform == "darwin":
        return [((sandbox.NAME,), lambda: [sandbox.raise_wall()])]
    why = f"nothing is known here that would keep a process in ({os.name})"
    return [((sandbox.NAME,), lambda: [Wall(sandbox.NAME, stands=False, why=why)])]
