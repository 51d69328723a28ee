"""What this worker's memory is, and which errors mean that it ran out."""

import os
import platform
from pathlib import Path

import mlx.core as mx
import psutil

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_SIGNS = ("allocate", "out of memory", "outofmemory", "insufficient memory", "bad_alloc")


class OwnMemory:
    """Resident bytes of this process, device memory included.

    Metal and CUDA buffers do not all count as resident, so what MLX holds on top of the base is a
    lower bound there.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.base_bytes = self._resident()

    def resident_bytes(self) -> int:
        held = mx.get_active_memory() + mx.get_cache_memory()
        return max(self._resident(), self.base_bytes + held if _has_device() else 0)

    def _resident(self) -> int:
        if platform.system() == "Linux":
            return int(_STATM.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
        return int(self._process.memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """MLX has no type of its own for it: MemoryError, or a RuntimeError whose words say so."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(s in str(error).lower() for s in _SIGNS)


def _has_device() -> bool:
    return bool(mx.default_device() == mx.Device(mx.gpu))
