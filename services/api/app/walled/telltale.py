"""Tells what an advisor tries, and refuses it in Python before the kernel would.

An audit hook cannot be taken out, but code in this process can reach around it: what keeps an
advisor in is the kernel. What this adds is that its attempts are told.
"""

import builtins
import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from app.domain.advice.contained import Wall

# For what is defined below: an advisor can put its own in the place of those that all share.
globals()["__builtins__"] = vars(builtins).copy()

NAME: Final = "audit-hook"

MOST_TOLD: Final = 20
LONGEST: Final = 200

IMPORTABLE: Final = frozenset(
    "__future__ abc bisect collections dataclasses datetime decimal enum fractions functools "
    "hashlib heapq itertools json math re statistics string textwrap typing".split()
)
"""As tools/boundary_rules.py has it (ADVISORY_MAY_IMPORT); a test holds the two together."""

_OURS: Final = ("app.domain", "app._experimental")
_LIBRARY: Final = frozenset("_strptime encodings linecache time tracemalloc warnings".split())
"""Asked for by the standard library now and then; where they are not loaded, they are not found."""

_QUIET: Final = frozenset(
    "builtins.id array.__new__ time.sleep sys.unraisablehook sys.excepthook "
    "cpython.run_interactivehook".split()
)
"""Happen in plain computing."""

_LIBRARYS: Final = frozenset(
    "compile exec function.__new__ object.__getattr__ object.__setattr__ object.__delattr__ "
    "sys._getframe sys._getframemodulename".split()
)
"""The standard library does these too (a dataclass is made by `exec`): refused to other code."""

_LOOK_AT_FRAMES: Final = ("/collections/__init__.py", "/enum.py", "/typing.py")
"""Of the library: they look up in which module something is made."""

_WHAT: Final = (
    ("import", "import"),
    ("marshal.", "import"),
    ("pickle.", "import"),
    ("open", "open"),
    ("sqlite3.", "open"),
    ("mmap.", "open"),
    ("socket.", "connect"),
    ("ctypes.", "native code"),
    ("subprocess.", "start"),
    ("pty.", "start"),
    ("_thread.", "start"),
    ("os.system", "start"),
    ("os.exec", "start"),
    ("os.fork", "start"),
    ("os.posix_spawn", "start"),
    ("os.spawn", "start"),
    ("os.kill", "signal"),
    ("signal.", "signal"),
    ("os.", "open"),
    ("shutil.", "open"),
    ("tempfile.", "open"),
    ("glob.", "open"),
    ("pathlib.", "open"),
    ("compile", "code"),
    ("exec", "code"),
    ("code.", "code"),
    ("function.", "code"),
)
"""What an attempt is called, by how its event begins; the first that fits, else `reach`."""


def importable(name: str) -> bool:
    return (
        name.partition(".")[0] in IMPORTABLE | _LIBRARY
        or name == "app"
        or any(name == zone or name.startswith(zone + ".") for zone in _OURS)
    )


def attempt(event: str, arguments: tuple[Any, ...]) -> tuple[str, str]:
    """What was tried, about which thing, in words."""
    what = next((word for begin, word in _WHAT if event.startswith(begin)), "reach")
    about = " ".join(word for word in map(_plain, arguments[:3]) if word)
    if event == "import":
        return what, about[:LONGEST]
    return what, f"{event} {about}".strip()[:LONGEST]


def _plain(one: Any) -> str:
    """Of texts and small numbers only: anything else has code of its own that would run here."""
    if type(one) is bytes:
        return one[:LONGEST].decode("utf-8", "backslashreplace")
    if type(one) is int:
        return str(one) if -(1 << 64) < one < 1 << 64 else "a number"
    return one[:LONGEST] if type(one) is str else ""


Hear = Callable[[str, tuple[Any, ...]], None]


def listening(
    library: frozenset[str], write: Callable[[int, bytes], int] = os.write
) -> tuple[Hear, Callable[[], int]]:
    """What hears and refuses, and what says how many attempts it counted without telling them.

    `library`: the files of whatever was loaded before any advisor was. Functions in a function, and
    no class: an advisor finds every class there is, and what it finds it can change.
    """
    busy, tried = False, 0
    frame_of = sys._getframe  # noqa: SLF001 - whose code it is that asks
    quoted = json.encoder.encode_basestring_ascii

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy, tried
        if busy or event in _QUIET:
            return
        if event == "import" and type(arguments[0]) is str and importable(arguments[0]):
            return
        busy = True
        try:
            asks = frame_of(1).f_code.co_filename
            if event in _LIBRARYS and asks in library and not _hands_on(event, arguments, asks):
                return
            what, which = attempt(event, arguments)
            tried += 1
            if tried <= MOST_TOLD:
                tell(what, which)
        finally:
            busy = False
        raise PermissionError(f"an advisor may not: {what} {which}")

    def tell(what: str, which: str) -> None:
        said = f'{{"tried":{{"what":{quoted(what)},"which":{quoted(which)}}}}}\n'.encode()
        while said:
            said = said[write(1, said) :]

    return hear, lambda: max(0, tried - MOST_TOLD)


def _hands_on(event: str, arguments: tuple[Any, ...], file: str) -> bool:
    """A frame, which leads to everything that is being called right now."""
    if event == "sys._getframe":
        return not file.endswith(_LOOK_AT_FRAMES)
    name = arguments[1] if event == "object.__getattr__" else ""
    return type(name) is str and name.endswith("_frame")


def begin(hear: Hear) -> Wall:
    """It cannot be taken out again."""
    sys.addaudithook(hear)
    return Wall(NAME, stands=True)
