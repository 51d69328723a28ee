"""The filter is a program: it is run here, for both machines, by a small kernel of our own."""

import re
import struct
from pathlib import Path

import pytest

from app.walled.calls import AARCH64, X86_64, Machine
from app.walled.seccomp import packed, program

ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
BOTH = pytest.mark.parametrize("machine", [X86_64, AARCH64], ids=["x86_64", "aarch64"])


def answer(machine: Machine, number: int, *, audit: int | None = None, third: int = 0) -> int:
    """What the kernel would do: `struct seccomp_data` read word by word."""
    convention = machine.audit if audit is None else audit
    data = struct.pack("<IIQ6Q", number, convention, 0, 0, 0, third, 0, 0, 0)
    code, place, held = packed(program(machine)), 0, 0
    while True:
        kind, if_true, if_false, operand = struct.unpack_from("<HBBI", code, place * 8)
        place += 1
        if kind == 0x20:
            [held] = struct.unpack_from("<I", data, operand)
        elif kind == 0x06:
            return int(operand)
        else:
            holds = {0x15: held == operand, 0x35: held >= operand, 0x45: bool(held & operand)}
            place += if_true if holds[kind] else if_false


@BOTH
def test_what_is_in_the_table_is_allowed(machine: Machine) -> None:
    assert {answer(machine, number) for number in machine.allowed.values()} == {ALLOW}


@BOTH
def test_everything_else_is_refused(machine: Machine) -> None:
    known = {*machine.allowed.values(), *machine.maps.values(), *machine.deadly.values()}
    refused = {answer(machine, number) for number in range(2_000) if number not in known}
    assert refused == {EPERM}


@BOTH
def test_what_no_honest_code_calls_kills(machine: Machine) -> None:
    assert {answer(machine, number) for number in machine.deadly.values()} == {KILL}
    tables = (machine.allowed, machine.maps, machine.deadly)
    names = [name for table in tables for name in table]
    numbers = [number for table in tables for number in table.values()]
    assert len(names) == len({*names}) == len({*numbers})


@BOTH
def test_memory_is_given_and_never_made_executable(machine: Machine) -> None:
    for number in machine.maps.values():
        assert [answer(machine, number, third=bits) for bits in (0, 1, 3)] == [ALLOW] * 3
        assert [answer(machine, number, third=bits) for bits in (4, 5, 7)] == [EPERM] * 3


@BOTH
def test_another_convention_kills(machine: Machine) -> None:
    other = AARCH64.audit if machine is X86_64 else X86_64.audit
    i386 = 0x40000003
    for audit in (other, i386, 0):
        assert answer(machine, machine.allowed["read"], audit=audit) == KILL


def test_x32_kills_and_a_machine_without_it_refuses() -> None:
    assert answer(X86_64, 0x40000000) == KILL
    assert answer(X86_64, 0xFFFFFFFF) == KILL
    assert answer(AARCH64, 0xFFFFFFFF) == EPERM


@BOTH
def test_every_jump_lands_within_the_program(machine: Machine) -> None:
    lines = program(machine)
    for place, (_, if_true, if_false, _) in enumerate(lines):
        assert place + 1 + max(if_true, if_false) <= len(lines)
        assert max(if_true, if_false) < 256


@BOTH
def test_nothing_that_reaches_out_is_in_the_table(machine: Machine) -> None:
    reaching = (
        "open openat openat2 socket connect bind sendto clone clone3 fork vfork execve kill tgkill "
        "ptrace prctl seccomp io_uring_setup memfd_create setrlimit prlimit64 ioctl fcntl dup dup2 "
        "dup3 rt_sigaction rt_sigprocmask rt_sigreturn setitimer alarm chdir unlink rename stat "
        "newfstatat"
    )
    assert not {*reaching.split()} & {*machine.allowed, *machine.maps}


HEADERS = (
    (X86_64, Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
    (AARCH64, Path("/usr/include/asm-generic/unistd.h")),
)


@pytest.mark.parametrize(("machine", "header"), HEADERS, ids=["x86_64", "aarch64"])
def test_numbers_are_those_of_the_kernels_own_table(machine: Machine, header: Path) -> None:
    if not header.exists():
        pytest.skip(f"no kernel headers here: {header}")
    lines = re.compile(r"#define __NR(?:3264)?_(\w+)\s+(\d+)\s*$", re.MULTILINE)
    defined = lines.findall(header.read_text())
    numbers = {name: int(number) for name, number in reversed(defined)}
    ours = {**machine.allowed, **machine.maps, **machine.deadly}
    newer = ours.keys() - numbers.keys()  # than these headers
    assert newer <= {"memfd_secret", "clone3"}
    assert {
        name: number for name, number in ours.items() if numbers.get(name, number) != number
    } == {}


def test_both_machines_allow_the_same_but_for_calls_that_one_lacks() -> None:
    assert X86_64.allowed.keys() - AARCH64.allowed.keys() == {"time"}
    assert AARCH64.allowed.keys() <= X86_64.allowed.keys()
    assert X86_64.maps.keys() == AARCH64.maps.keys()
    assert X86_64.deadly.keys() - AARCH64.deadly.keys() == {"fork", "vfork"}
    assert AARCH64.deadly.keys() <= X86_64.deadly.keys()
