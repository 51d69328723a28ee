"""System calls by number: what a child may still do once it has been walled in. Pure data.

Nothing can be opened, so `read` and `write` reach the pipes only. No signal is ever handled, so
there is none to return from: a forged return could block the alarm. What is in no table is answered
with EPERM: the library asks for some of it, and does without.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Numbers = Mapping[str, tuple[int | None, int | None]]
"""On x86_64 and on aarch64; None where it is not to be had."""

# Memory, waiting, time, the two pipes, and ending.
_ALLOWED: Final[Numbers] = {
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "read": (0, 63),
    "restart_syscall": (219, 128),
    "sched_yield": (24, 124),
    "time": (201, None),
    "times": (100, 153),
    "write": (1, 64),
}
# Allowed where the third argument does not ask for memory that can be executed.
_MAPS: Final[Numbers] = {"mmap": (9, 222), "mprotect": (10, 226)}
# Neither the library nor an honest advisor ever comes here: whoever does has got around the audit
# hook, and is killed, so that the attempt is told by the kernel and cannot be kept quiet.
_DEADLY: Final[Numbers] = {
    "accept": (43, 202),
    "add_key": (248, 217),
    "bind": (49, 200),
    "bpf": (321, 280),
    "capset": (126, 91),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "connect": (42, 203),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fork": (57, None),
    "init_module": (175, 105),
    "inotify_init1": (294, 26),
    "io_setup": (206, 0),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "seccomp": (317, 277),
    "semget": (64, 190),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "setns": (308, 268),
    "setresuid": (117, 147),
    "setuid": (105, 146),
    "shmat": (30, 196),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "splice": (275, 76),
    "swapon": (167, 224),
    "tee": (276, 77),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vfork": (58, None),
    "vmsplice": (278, 75),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """`audit`: how the kernel names this instruction set. `numbers_end`: from here on the numbers
    belong to another convention (x32), which is not spoken."""

    audit: int
    allowed: Mapping[str, int]
    maps: Mapping[str, int]
    deadly: Mapping[str, int]
    numbers_end: int | None = None


def _machine(place: int, audit: int, numbers_end: int | None = None) -> Machine:
    """Of one column of the tables."""
    allowed, maps, deadly = (
        {name: number for name, both in table.items() if (number := both[place]) is not None}
        for table in (_ALLOWED, _MAPS, _DEADLY)
    )
    return Machine(audit, allowed, maps, deadly, numbers_end)


X86_64: Final = _machine(0, audit=0xC000003E, numbers_end=0x40000000)
AARCH64: Final = _machine(1, audit=0xC00000B7)

MACHINES: Final[Mapping[str, Machine]] = {
    "x86_64": X86_64,
    "amd64": X86_64,
    "aarch64": AARCH64,
    "arm64": AARCH64,
}
"""By what `os.uname` calls them."""
