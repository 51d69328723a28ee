"""No file, no TCP port, no process beyond this one: rules of the kernel that need no privilege.

The rule set names no exception at all: whatever this process needs, it has read before.
"""

import ctypes
import os
import struct
from dataclasses import dataclass
from typing import Final

from app.domain.advice.contained import Wall
from app.walled.kernel import CLibrary, absent

FILES: Final = "landlock-files"
NETWORK: Final = "landlock-network"
SIGNALS: Final = "landlock-signals"

# The same numbers on every machine.
_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1


@dataclass(frozen=True, slots=True)
class Handled:
    """What is handled, and so refused: bits of access to files, to TCP, to processes outside."""

    files: int
    network: int
    scoped: int
    size: int
    """Of `struct landlock_ruleset_attr` as this kernel knows it."""


def handled(version: int) -> Handled:
    """Everything that a kernel of this version of Landlock can refuse."""
    # 13 kinds of access in version 1; linking elsewhere (2), truncating (3), device calls (5).
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    return Handled(
        files=(1 << bits) - 1,
        network=0b11 if version >= 4 else 0,  # bind and connect of TCP
        scoped=0b11 if version >= 6 else 0,  # abstract sockets and signals
        size=24 if version >= 6 else 16 if version >= 4 else 8,
    )


def raise_walls(library: CLibrary) -> list[Wall]:
    """Needs no_new_privs."""
    names = (FILES, NETWORK, SIGNALS)
    try:
        version = library.syscall(_CREATE_RULESET, 0, 0, _VERSION_FLAG)
        rules = handled(version)
        packed = struct.pack("<QQQ", rules.files, rules.network, rules.scoped)
        ruleset = library.syscall(
            _CREATE_RULESET, ctypes.create_string_buffer(packed, 24), rules.size, 0
        )
        try:
            library.syscall(_RESTRICT_SELF, ruleset, 0)
        finally:
            os.close(ruleset)
    except OSError as error:
        return [absent(name, error) for name in names]
    old = f"this kernel's Landlock is of version {version}"
    return [
        _proved_files(),
        Wall(NETWORK, bool(rules.network), "" if rules.network else f"{old}: 4 is needed"),
        Wall(SIGNALS, bool(rules.scoped), "" if rules.scoped else f"{old}: 6 is needed"),
    ]


def _proved_files() -> Wall:
    """By trying: a wall that lets through is none."""
    try:
        os.close(os.open("/", os.O_RDONLY))
    except PermissionError:
        return Wall(FILES, stands=True)
    return Wall(
        FILES, stands=False, why="it was put up, and the root directory opened all the same"
    )
