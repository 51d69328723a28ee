"""Which file system a path lies on: read from the kernel's list, decided by its text alone."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NETWORK: Final = frozenset(
    "nfs nfs4 cifs smb smb2 smb3 smbfs afp afpfs afs 9p ceph glusterfs lustre webdav davfs "
    "fuse.sshfs fuse.s3fs fuse.rclone fuse.davfs2 fuse.glusterfs fuse.smbnetfs macfuse osxfuse "
    "fuse.afpfs fuse.gcsfuse".split()
)
"""As Linux (/proc/self/mountinfo) and macOS (f_fstypename) name them."""

MOUNT_TABLE: Final = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a file system hangs and what kind it is."""

    point: str
    kind: str

    @property
    def is_network(self) -> bool:
        return self.kind.lower() in NETWORK


def mount_of(path: Path) -> Mount | None:
    """The mount `path` lies on, or None where this machine does not say."""
    try:
        return deepest(os.path.realpath(path), list(_mounts()))
    except OSError:
        return None


def deepest(real_path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Of those that `real_path` lies below the longest; of two at one place the later, on top."""
    under = [m for m in mounts if os.path.commonpath([real_path, m.point]) == m.point]
    return max(enumerate(under), key=lambda e: (len(e[1].point), e[0]), default=(0, None))[1]


def parse_mountinfo(text: str) -> list[Mount]:
    """Linux's list (proc_pid_mountinfo(5)): the fifth field is the place, the kind follows `-`."""
    mounts = []
    for line in text.splitlines():
        fields, _, rest = line.partition(" - ")
        placed, kind = fields.split(), rest.split(maxsplit=1)
        if len(placed) > 4 and kind and placed[4].startswith("/"):
            mounts.append(Mount(_unescaped(placed[4]), kind[0]))
    return mounts


def _unescaped(text: str) -> str:
    """The kernel writes space, tab, newline and backslash as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _mounts() -> Iterable[Mount]:
    if MOUNT_TABLE.exists():
        return parse_mountinfo(MOUNT_TABLE.read_text("utf-8", "surrogateescape"))
    import psutil

    return (
        Mount(part.mountpoint, part.fstype)
        for part in psutil.disk_partitions(all=True)
        if part.mountpoint.startswith("/")
    )
