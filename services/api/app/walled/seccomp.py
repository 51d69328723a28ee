"""A filter in front of the kernel: a table of calls is let through, everything else is EPERM, or
the end of whoever calls where no honest code would."""

import ctypes
import os
import struct
from typing import Final

from app.domain.advice.contained import Wall
from app.walled.calls import MACHINES, Machine
from app.walled.kernel import PR_SET_SECCOMP, CLibrary, absent

NAME: Final = "seccomp"

_MODE_FILTER: Final = 2
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_EPERM: Final = 0x00050000 | 1

# Offsets in `struct seccomp_data`; both machines are little-endian, so the low word comes first.
_NUMBER: Final = 0
_AUDIT: Final = 4
_THIRD_ARGUMENT: Final = 32
_PROT_EXEC: Final = 4

Instruction = tuple[int, int, int, int]
"""Code, how far to jump when true, when false, operand."""


def program(machine: Machine) -> list[Instruction]:
    """The filter. A process that calls by another machine's convention is killed: numbers mean
    other things there."""
    # The answers come last: EPERM, memory (4 steps, the last of them ALLOW), and death.
    memory, allow, kill = 1, 4, 5
    goals = {
        **dict.fromkeys(machine.allowed.values(), allow),
        **dict.fromkeys(machine.maps.values(), memory),
        **dict.fromkeys(machine.deadly.values(), kill),
    }
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _AUDIT),
        (_IF_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine.numbers_end is not None:
        lines += [(_IF_AT_LEAST, 0, 1, machine.numbers_end), (_RETURN, 0, 0, _KILL)]
    for left, (number, goal) in zip(
        reversed(range(len(goals))), sorted(goals.items()), strict=True
    ):
        lines.append((_IF_EQUAL, left + goal, 0, number))
    return [
        *lines,
        (_RETURN, 0, 0, _EPERM),
        (_LOAD, 0, 0, _THIRD_ARGUMENT),
        (_IF_ANY_BIT, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _EPERM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _KILL),
    ]


def packed(lines: list[Instruction]) -> bytes:
    """As `struct sock_filter[]`."""
    return b"".join(struct.pack("<HBBI", *line) for line in lines)


def raise_wall(library: CLibrary) -> Wall:
    """Needs no_new_privs. From here on this process can open, connect to and start nothing."""
    machine = MACHINES.get(os.uname().machine.lower())
    if machine is None:
        return Wall(NAME, stands=False, why=f"no table of calls for {os.uname().machine}")
    code = packed(program(machine))
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: a count, padding, a pointer.
    head = struct.pack("<H6xQ", len(code) // 8, ctypes.addressof(instructions))
    try:
        library.prctl(PR_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(head, len(head)))
    except OSError as error:
        return absent(NAME, error)
    return Wall(NAME, stands=True)
