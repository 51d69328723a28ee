"""Makes what an advisor's process runs from: the advisory zone and its walls, and nothing else."""

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).parents[1]

_PROGRAM = ("walled",)
_LOADED_LATER = ("domain", "_experimental")
_MAIN = b"from app.walled.__main__ import main\n\nmain()\n"
_AT_THE_START = (1980, 1, 1, 0, 0, 0)


def bundle(directory: Path, extra: Mapping[str, str] | None = None) -> Path:
    """A zip in `directory` that can be read and not written.

    `extra`: more files, or others in the place of these, as `{"app/_experimental/x.py": source}`.
    """
    files = dict(_files())
    files |= {name: source.encode() for name, source in (extra or {}).items()}
    later = [name for name in sorted(files) if name.split("/")[1] in _LOADED_LATER]
    files |= {"__main__.py": _MAIN, "files.txt": "\n".join(later).encode()}
    made = directory / "advisor.zip"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _AT_THE_START), files[name])
    made.chmod(0o400)
    return made


def _files() -> Iterator[tuple[str, bytes]]:
    yield "app/__init__.py", (SOURCE / "__init__.py").read_bytes()
    for zone in (*_PROGRAM, *_LOADED_LATER):
        for file in sorted((SOURCE / zone).rglob("*.py")):
            yield f"app/{file.relative_to(SOURCE).as_posix()}", file.read_bytes()
