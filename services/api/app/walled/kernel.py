"""The few calls into the C library that put walls up. Used before they stand, never after."""

import ctypes
import os
import struct

from app.domain.advice.contained import Wall

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522


class CLibrary:
    """`ctypes` needs the library once; whoever is done with this object can no longer call it."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)

    def prctl(self, *arguments: int | ctypes.Array[ctypes.c_char]) -> None:
        """Raises OSError."""
        self._checked(self._library.prctl(*self._long(arguments)))

    def syscall(self, *arguments: int | ctypes.Array[ctypes.c_char]) -> int:
        """Raises OSError."""
        return self._checked(self._library.syscall(*self._long(arguments)))

    def drop_capabilities(self) -> None:
        """Every one, of a process of root's too. Raises OSError."""
        header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
        none = struct.pack("<6I", 0, 0, 0, 0, 0, 0)
        self._checked(self._library.capset(header, none))

    @staticmethod
    def _long(arguments: tuple[int | ctypes.Array[ctypes.c_char], ...]) -> list[object]:
        """Variadic arguments are as wide as a register, whatever the number is."""
        padded = (*arguments, 0, 0, 0, 0, 0)[:6]
        return [ctypes.c_ulong(one) if isinstance(one, int) else one for one in padded]

    @staticmethod
    def _checked(answer: int) -> int:
        if answer < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return answer


def absent(name: str, error: OSError) -> Wall:
    """The wall that this kernel, or whoever set the machine up, did not let us put up."""
    return Wall(name, stands=False, why=f"the kernel said: {error.strerror or error}")
