"""Caches as other programs leave them, made of a model's directory."""

import hashlib
import os
import shutil
from pathlib import Path

COMMIT = "c0ffee" + "0" * 34


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def blob_name(path: Path) -> str:
    """As the hub names files: weights by SHA-256, small ones by git blob id."""
    content = path.read_bytes()
    weights = path.suffix == ".safetensors"
    return hashlib.sha256(content).hexdigest() if weights else git_id(content)


def hub_cache(root: Path, model: Path, *, repo: str = "org/model", commit: str = COMMIT) -> Path:
    """Move the files of `model` into a Hugging Face cache below `root`; the repository's folder."""
    home = root / f"models--{repo.replace('/', '--')}"
    snapshot = home / "snapshots" / commit
    for folder in (home / "blobs", home / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        blob = home / "blobs" / blob_name(file)
        shutil.copyfile(file, blob)
        name = snapshot / file.relative_to(model)
        name.parent.mkdir(exist_ok=True)
        name.symlink_to(Path(os.path.relpath(blob, name.parent)))
    return home


def studio_cache(root: Path, model: Path, *, name: str = "lab/model") -> Path:
    """Copy `model` to where LM Studio keeps models below `root`; the model's folder."""
    folder = root / name
    shutil.copytree(model, folder)
    return folder


def state_of(root: Path) -> dict[str, tuple[object, ...]]:
    """All that must not change of a cache: its names, links, bytes, modes and times."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else None
        if content is None and path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()  # type: ignore[assignment]
        found[str(path.relative_to(root))] = (status.st_mode, status.st_mtime_ns, content)
    return found
