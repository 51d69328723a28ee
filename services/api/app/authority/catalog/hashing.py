"""The only place that hashes files: large reads, several files at once, hashing beside writing."""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from app.files import write_all

# Two such buffers per file: one is hashed while the other is written.
BUFFER_BYTES: Final = 4 << 20
FILES_AT_ONCE: Final = 4

Step = Callable[[int], None]


def hash_file(descriptor: int, step: Step) -> tuple[str, int]:
    """SHA-256 (hex) and number of the bytes from the start; `step` hears of each chunk."""
    digest = hashlib.sha256()
    view = memoryview(bytearray(BUFFER_BYTES))
    size = 0
    while count := os.preadv(descriptor, [view], size):
        digest.update(view[:count])
        size += count
        step(count)
    return digest.hexdigest(), size


def git_blob_of(descriptor: int) -> str:
    """Git's own id of the file's bytes (SHA-1, hex)."""
    digest = _git_blob(os.fstat(descriptor).st_size)
    at = 0
    while piece := os.pread(descriptor, BUFFER_BYTES, at):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def matches(content: bytes, *, sha256: str | None, git_blob: str | None) -> bool:
    """Whether the bytes are those of the digest: the SHA-256 where one is known."""
    if sha256 is not None:
        return hashlib.sha256(content).hexdigest() == sha256
    digest = _git_blob(len(content))
    digest.update(content)
    return digest.hexdigest() == git_blob


def _git_blob(size: int) -> "hashlib._Hash":
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def copy_hashed(source: int, target: int, step: Step) -> tuple[str, int]:
    """Copy `source` to `target`, durably; returns SHA-256 (hex) and number of the bytes written."""
    digest = hashlib.sha256()
    views = [memoryview(bytearray(BUFFER_BYTES)) for _ in range(2)]
    size, turn = 0, 0
    written: Future[None] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="copy") as writer:
        while count := os.preadv(source, [views[turn]], size):
            if written is not None:
                written.result()
            written = writer.submit(write_all, target, views[turn][:count])
            digest.update(views[turn][:count])
            size, turn = size + count, 1 - turn
            step(count)
        if written is not None:
            written.result()
    os.fsync(target)
    return digest.hexdigest(), size
