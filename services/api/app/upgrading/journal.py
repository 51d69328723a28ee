"""The only place that remembers an upgrade between starts: `run/upgrading.json`.

It is written when the backup is made, so that a start that tries again need not make another one,
and it stays until the ledger has the upgrade on record. A file that cannot be read says nothing: a
backup too many is made then, and an upgrade that was done is not recorded.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from app import files

_MAX_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Upgraded:
    """An upgrade: the schemas before and after it, and the name of the backup made first.

    `size` (bytes) and `mtime_ns` are the old database's: whether it is still the one backed up.
    """

    before: str
    after: str
    backup: str
    size: int
    mtime_ns: int

    def encoded(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decoded(cls, content: bytes) -> Self | None:
        """Return what `encoded` wrote; None for anything else."""
        try:
            fields = json.loads(content)
            read = cls(**fields)
        except (ValueError, TypeError):
            return None
        texts = (read.before, read.after, read.backup)
        if not all(isinstance(one, str) for one in texts):
            return None
        return read if isinstance(read.size, int) and isinstance(read.mtime_ns, int) else None


def path_in(home: Path) -> Path:
    return home / "run" / "upgrading.json"


def remembered(home: Path) -> Upgraded | None:
    try:
        content = path_in(home).read_bytes()
    except OSError:
        return None
    return Upgraded.decoded(content[:_MAX_BYTES])


def remember(home: Path, upgraded: Upgraded) -> None:
    """Have it on the disk; raises OSError."""
    path = path_in(home)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    files.replace(path, upgraded.encoded())


def forget(home: Path) -> None:
    """Once the ledger has it on record; raises OSError."""
    path_in(home).unlink(missing_ok=True)
