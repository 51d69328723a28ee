"""A wall that cannot be put up says so, and the others stand."""

import ctypes
import errno
import os
import resource
from typing import Any

import pytest

from app.domain.advice.contained import Wall
from app.walled import landlock, limits, sandbox, seccomp, telltale, walls
from app.walled.standing import WITHOUT
from tools.boundary_rules import ADVISORY_MAY_IMPORT


class Refusing:
    """A kernel that has none of it."""

    def prctl(self, *_: Any) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    def __init__(self, number: int = errno.ENOSYS) -> None:
        self.number = number

    def syscall(self, *_: Any) -> int:
        raise OSError(self.number, os.strerror(self.number))

    def drop_capabilities(self) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")


REFUSING: Any = Refusing()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM])
def test_a_kernel_without_landlock_is_said(number: int) -> None:
    """Not built in, switched off when the machine started, or kept from this process."""
    why = f"the kernel said: {os.strerror(number)}"
    none: Any = Refusing(number)
    assert landlock.raise_walls(none) == [
        Wall("landlock-files", False, why),
        Wall("landlock-network", False, why),
        Wall("landlock-signals", False, why),
    ]


@pytest.mark.parametrize(
    ("version", "files", "network", "scoped", "size"),
    [
        (1, 0x1FFF, 0, 0, 8),
        (2, 0x3FFF, 0, 0, 8),
        (3, 0x7FFF, 0, 0, 8),
        (4, 0x7FFF, 3, 0, 16),
        (5, 0xFFFF, 3, 0, 16),
        (6, 0xFFFF, 3, 3, 24),
        (7, 0xFFFF, 3, 3, 24),
        (99, 0xFFFF, 3, 3, 24),
    ],
)
def test_everything_a_version_of_landlock_knows_is_refused(
    version: int, files: int, network: int, scoped: int, size: int
) -> None:
    assert landlock.handled(version) == landlock.Handled(files, network, scoped, size)


class Old:
    """A kernel whose Landlock is of that version, and says yes to everything."""

    def __init__(self, version: int) -> None:
        self.version, self.asked = version, b""

    def syscall(self, number: int, *arguments: Any) -> int:
        if arguments[2:] == (1,):
            return self.version
        if number == 444:
            self.asked = arguments[0].raw[: arguments[1]]
        return os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize(
    ("version", "network", "signals"),
    [(1, 0, 0), (3, 0, 0), (4, 1, 0), (5, 1, 0), (6, 1, 1), (9, 1, 1)],
)
def test_a_landlock_says_what_its_version_lacks(version: int, network: int, signals: int) -> None:
    old: Any = Old(version)
    raised = landlock.raise_walls(old)
    why = f"this kernel's Landlock is of version {version}: "
    assert raised[1:] == [
        Wall("landlock-network", bool(network), "" if network else f"{why}4 is needed"),
        Wall("landlock-signals", bool(signals), "" if signals else f"{why}6 is needed"),
    ]
    # What it would not know it is not asked for: that would be refused as a whole.
    assert len(old.asked) == landlock.handled(version).size
    # This one only said that it restricts: the root directory opened, so it does not count.
    assert raised[0] == Wall(
        "landlock-files", False, "it was put up, and the root directory opened all the same"
    )


def test_a_kernel_without_filters_is_said() -> None:
    assert seccomp.raise_wall(REFUSING) == Wall(
        "seccomp", False, "the kernel said: Invalid argument"
    )


def test_a_machine_whose_calls_are_not_known_gets_no_filter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*there[:4], "riscv64")))
    assert seccomp.raise_wall(REFUSING).why == "no table of calls for riscv64"


def test_limits_that_were_not_taken_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(which: int, _: tuple[int, int]) -> None:
        if which == resource.RLIMIT_AS:
            raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    monkeypatch.setattr("sys.platform", "linux")
    allowed = limits.Allowance(address_bytes=1, cpu_s=1, alarm_s=1)
    assert limits.raise_limits(allowed) == Wall("limits", False, "not limited: memory")
    monkeypatch.setattr("sys.platform", "darwin")
    why = "not limited: memory (the server watches it)"
    assert limits.raise_limits(allowed) == Wall("limits", False, why)


def test_a_tighter_limit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (5, 7))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: taken.append(pair))
    allowed = limits.Allowance(address_bytes=100, cpu_s=6, alarm_s=1)
    limits.raise_limits(allowed)
    assert sorted(set(taken)) == [(0, 0), (6, 7), (7, 7)]


def test_elsewhere_it_is_said_that_the_alarm_takes_the_parents_place() -> None:
    assert limits.end_with_parent(None, 1) == Wall(
        "ends-with-parent", False, "only Linux can: the alarm ends it instead"
    )
    assert not limits.end_with_parent(REFUSING, 1).stands
    assert not limits.no_new_privileges(REFUSING).stands
    assert not limits.no_capabilities(REFUSING).stands


def test_the_profile_of_macos_names_no_exception() -> None:
    assert sandbox.PROFILE.split("\n") == ["(version 1)", "(deny default)", ""]


class SandboxInit:
    """`sandbox_init` of macOS, which is not here: takes a profile, or says what is wrong."""

    argtypes: Any = None
    restype: Any = None

    def __init__(self, says: bytes | None) -> None:
        self.says, self.took = says, b""

    def __call__(self, profile: bytes, flags: int, said: Any) -> int:
        self.took = profile
        said._obj.value = self.says
        return 0 if self.says is None else -1


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"no such operation", "sandbox_init said: no such operation"),
        (None, "it was put up, and /etc/hosts opened all the same"),
    ],
)
def test_a_sandbox_counts_where_it_was_tried(
    monkeypatch: pytest.MonkeyPatch, says: bytes | None, why: str
) -> None:
    """Not run on macOS itself: what is held here is what is done with its answers."""
    fake = SandboxInit(says)
    library = type("Library", (), {"sandbox_init": fake})()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    assert sandbox.raise_wall() == Wall("sandbox", False, why)
    assert fake.took == sandbox.PROFILE.encode()


def test_a_sandbox_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    assert sandbox.raise_wall().why == "this macOS has no sandbox_init"


def test_on_macos_the_sandbox_takes_the_place_of_the_kernels_filters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert [names for names, _ in walls._elsewhere()] == [("sandbox",)]
    monkeypatch.setattr("sys.platform", "win32")
    [(_, put_up)] = walls._elsewhere()
    [wall] = put_up()
    assert not wall.stands
    assert wall.why.startswith("nothing is known here")


def test_nothing_is_left_out_of_what_is_shipped() -> None:
    assert frozenset() == WITHOUT


def test_the_hook_and_the_check_of_the_source_agree_on_what_may_be_imported() -> None:
    assert telltale.IMPORTABLE == ADVISORY_MAY_IMPORT
