"""Gives memory back to the system that this process no longer needs."""

import ctypes
import sys

_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def give_back() -> None:
    """What glibc keeps of large pieces that were freed, in the hope of more; elsewhere nothing."""
    if trim := getattr(_LIBRARY, "malloc_trim", None):
        trim(0)
