"""What this worker's memory is, and which errors mean that it ran out."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

import psutil

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_SIGNS = ("allocate", "out of memory", "outofmemory", "insufficient memory", "bad_alloc")


class OwnMemory:
    """Resident bytes of this process, device memory included.

    Metal and CUDA buffers do not all count as resident, so what MLX holds on top of the base is a
    lower bound there.
    """

    def __init__(self, held_on_device: Callable[[], int]) -> None:
        self._process = psutil.Process()
        self._held_on_device = held_on_device
        self.base_bytes = self._resident()

    def resident_bytes(self) -> int:
        return max(self._resident(), self.base_bytes + self._held_on_device())

    def _resident(self) -> int:
        if platform.system() == "Linux":
            return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
        return int(self._process.memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """MLX has no type of its own for it: MemoryError, or a RuntimeError whose words say so."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _SIGNS)
