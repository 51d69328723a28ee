"""What lies in a directory that is, or becomes, a backup: each file, its size and its digest."""

import hashlib
import os
from pathlib import Path

from app.backups.contents import File
from app.files import chunks


def known(root: Path, path: str) -> File:
    """What a file is now: its size and SHA-256, read from the disk. Raises OSError."""
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks(root / path):
        sha256.update(chunk)
        size += len(chunk)
    return File(path, size, sha256.hexdigest())


def listed(root: Path) -> list[str]:
    """Every file below `root` by its relative path, and whatever else is no directory."""
    found = []
    for folder, names, files in os.walk(root, followlinks=False):
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in (*files, *links)]
    return sorted(found)
