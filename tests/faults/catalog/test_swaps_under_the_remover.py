"""Other things put in the place of a model's files while it is deleted, purged or restored."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.authority.catalog.removal.handles import Foreign
from app.authority.warrants import Warrant
from app.domain.refusals import RestoreRefused
from tests.fakes.clock import FixedClock
from tests.fakes.removal import Attic, new_attic, start
from tests.unit.catalog.removal.swaps import KINDS, at_step, outside_at

WEIGHTS = "model.safetensors"
EVERY = 13
"""A sample of the system calls; an odd one, so that every kind of call is met."""


@pytest.fixture
def template(tmp_path: Path) -> Iterator[Attic]:
    attic = new_attic(tmp_path / "template")
    attic.take("a/b")
    yield attic
    attic.engine.dispose()


def places(attic: Attic) -> list[Path]:
    """Where the weights lie now, under each of their names."""
    roots = (attic.store / "models", attic.store / "blobs", attic.home / "trash")
    found = [path for root in roots for path in sorted(root.rglob("*")) if path.is_file()]
    return [path for path in found if path.name == WEIGHTS or len(path.name) == 64]


def swapped(attic: Attic, kind: str, which: int, outside_directory: Path) -> Callable[[], None]:
    outside = outside_at(outside_directory)

    def swap() -> None:
        found = places(attic)
        if found:
            KINDS[kind](found[which % len(found)], outside)

    return swap


def deleted_and_purged(attic: Attic, warrant: Warrant) -> None:
    _, trash_id = attic.trash.delete(warrant)
    attic.trash.purge(attic.purge_warrant(trash_id), trash_id)


def restored(attic: Attic, warrant: Warrant) -> None:
    del warrant
    attic.restore(attic.trash.entries()[0].id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("act", [deleted_and_purged, restored])
def test_what_is_outside_survives_whatever_is_swapped_in_whenever(
    template: Attic, tmp_path: Path, kind: str, act: Callable[[Attic, Warrant], None]
) -> None:
    warrant = template.deletion("a/b")
    template.close()
    step = 0
    while True:
        home = tmp_path / f"home-{step}"
        subprocess.run(["cp", "-a", str(template.home), str(home)], check=True)
        (home / "ledger").chmod(0o700)
        attic = start(home, FixedClock())
        attic.asked = 100
        if act is restored:
            attic.trash.delete(warrant)
        outside = tmp_path / f"outside-{step}"
        swap = swapped(attic, kind, step // EVERY, outside)
        with at_step(step, swap) as steps, suppress(Foreign, OSError, RestoreRefused):
            act(attic, warrant)
        assert [path.read_bytes() for path in outside.iterdir()] == [b"not ours"]
        attic.trash.settle()
        assert [path.read_bytes() for path in outside.iterdir()] == [b"not ours"]
        attic.close()
        if step >= steps[0]:
            break
        step += EVERY
    assert step > 5 * EVERY
