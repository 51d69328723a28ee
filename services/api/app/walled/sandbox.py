"""On macOS: the system's sandbox, by the profile below. Not part of any public interface any more,
and what macOS has for programs that are no application bundles."""

import ctypes
import os
from typing import Final

from app.domain.advice.contained import Wall

NAME: Final = "sandbox"

PROFILE: Final = """\
(version 1)
(deny default)
"""
"""No exception: pipes that are open stay so, and whatever else is needed has been read before."""


def raise_wall() -> Wall:
    """Never raises: a wall that cannot be put up is said."""
    try:
        library = ctypes.CDLL("/usr/lib/libSystem.B.dylib", use_errno=True)
    except OSError as error:
        return Wall(NAME, stands=False, why=f"no system library: {error}"[:200])
    start = getattr(library, "sandbox_init", None)
    if start is None:
        return Wall(NAME, stands=False, why="this macOS has no sandbox_init")
    start.argtypes = [ctypes.c_char_p, ctypes.c_uint64, ctypes.POINTER(ctypes.c_char_p)]
    start.restype = ctypes.c_int
    said = ctypes.c_char_p()
    if start(PROFILE.encode(), 0, ctypes.byref(said)) != 0:
        why = (said.value or b"no reason given").decode("utf-8", "replace")
        return Wall(NAME, stands=False, why=f"sandbox_init said: {why[:200]}")
    return _proved()


def _proved() -> Wall:
    """By trying: a wall that lets through is none."""
    try:
        os.close(os.open("/etc/hosts", os.O_RDONLY))
    except PermissionError:
        return Wall(NAME, stands=True)
    except OSError as error:
        return Wall(NAME, stands=False, why=f"could not be proved: {error.strerror}")
    return Wall(NAME, stands=False, why="it was put up, and /etc/hosts opened all the same")
