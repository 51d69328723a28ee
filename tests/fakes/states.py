"""States that released versions wrote, as `tests/fixtures/states` keeps them."""

import tarfile
from pathlib import Path
from typing import Final

STATES: Final = Path(__file__).parents[1] / "fixtures" / "states"
SCHEMAS: Final = tuple(sorted(path.name[7:11] for path in STATES.glob("schema-*.tar.xz")))


def unpacked(schema: str, into: Path) -> Path:
    """Put the state that a release of this schema wrote at `into`, as it was left on the disk."""
    into.mkdir(mode=0o700, parents=True)
    with tarfile.open(STATES / f"schema-{schema}.tar.xz") as archive:
        archive.extractall(into, filter="tar")
    into.chmod(0o700)
    return into
