"""A server that is killed at any one step of a deletion, a restore or a purge: the next start
brings disk and catalog together, nothing is lost that was not to go, and the act can go on."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog.removal import rows
from app.authority.catalog.removal.bin import Bin
from app.authority.warrants import Warrant
from tests.fakes.clock import FixedClock
from tests.fakes.crashes import Crash
from tests.fakes.removal import Attic, new_attic, start

_STEPS = ("rename", "unlink", "link", "rmdir", "mkdir", "fsync", "write", "fchmod")
BYTES = {"a/b": 1, "a/c": 2}


class Killed:
    """After the step with this number nothing of the program runs any more."""

    def __init__(self, at: int, *, after: bool) -> None:
        self._at = at
        self._after = after
        self.steps = 0
        self.dead = False

    def during(self, act: Callable[[], object]) -> bool:
        """Whether it was killed."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _STEPS:
                patch.setattr(os, name, self._step(getattr(os, name)))
            for name in ("put", "put_back", "set_state"):
                patch.setattr(rows, name, self._step(getattr(rows, name)))
            patch.setattr(Bin, "changed", property(lambda _: self._step(lambda: None)))
            try:
                act()
            except Crash:
                return True
        return False

    def _step(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if self.dead:
                raise Crash
            self.steps += 1
            mine = self.steps - 1 == self._at
            if mine and not self._after:
                self.dead = True
                raise Crash
            try:
                return real(*arguments, **named)
            finally:
                if mine:
                    self.dead = True
                    raise Crash

        return step


def copy(home: Path, to: Path) -> Attic:
    """The files as they are, hard links too, opened by a server of its own."""
    subprocess.run(["cp", "-a", str(home), str(to)], check=True)
    (to / "ledger").chmod(0o700)
    return start(to, FixedClock())


def killed_at_every_step(
    template: Path, where: Path, prepared: Callable[[Attic], Callable[[], object]]
) -> Iterator[Attic]:
    """The next server on what each kill left, settled as a start does."""
    for after in (False, True):
        step = 0
        while True:
            home = where / f"{'after' if after else 'before'}-{step}"
            attic = copy(template, home)
            killed = Killed(step, after=after).during(prepared(attic))
            attic.engine.dispose()
            again = start(home, FixedClock())
            assert again.trash.settle() == []
            yield again
            again.close()
            attic.ledger._readers.dispose()
            if not killed:
                assert step > 10
                break
            step += 1


@pytest.fixture
def template(tmp_path: Path) -> Iterator[Attic]:
    attic = new_attic(tmp_path / "template")
    for name, seed in BYTES.items():
        attic.take(name, seed=seed)
    yield attic
    attic.engine.dispose()


def in_trash(attic: Attic) -> list[str]:
    return sorted(path.name for path in (attic.home / "trash").iterdir())


def agrees(attic: Attic) -> bool:
    """Whether the model is in the trash; raises unless catalog, rows and disk say the same."""
    attic.catalog.verify("a/c", full=True)
    live = [entry.id for entry in attic.trash.entries() if entry.state == "trashed"]
    assert in_trash(attic) == live
    assert bool(live) == ("a/b" not in attic.catalog.ids())
    if not live:
        attic.catalog.verify("a/b", full=True)
        for path in ("model.safetensors", "config.json"):
            model = attic.catalog.get("a/b")
            linked = (attic.view(model) / path).stat().st_ino
            assert attic.blob(model, path).stat().st_ino == linked
    return bool(live)


def test_a_deletion_that_was_killed_happened_or_did_not(template: Attic, tmp_path: Path) -> None:
    warrant = template.deletion("a/b")
    template.close()
    seen = set()
    for attic in killed_at_every_step(
        template.home, tmp_path, lambda a: lambda: a.trash.delete(warrant)
    ):
        seen.add(agrees(attic))
        assert attic.trash.delete(warrant)[0].failed == []
        assert agrees(attic)
        attic.restore(attic.trash.entries()[0].id)
        assert not agrees(attic)
    assert seen == {True, False}


def test_a_restore_that_was_killed_happened_or_did_not(template: Attic, tmp_path: Path) -> None:
    template.close()

    def prepared(attic: Attic) -> Callable[[], object]:
        trash_id = attic.delete("a/b")
        return lambda: attic.restore(trash_id)

    seen = set()
    for attic in killed_at_every_step(template.home, tmp_path, prepared):
        trashed = agrees(attic)
        seen.add(trashed)
        if trashed:
            attic.restore(attic.trash.entries()[0].id)
        assert not agrees(attic)
    assert seen == {True, False}


def test_a_purge_that_was_killed_goes_on_and_measures_all_of_it(
    template: Attic, tmp_path: Path
) -> None:
    # The other files are shared with the model that stays.
    weights = template.view(template.catalog.get("a/b")) / "model.safetensors"
    expected = weights.stat().st_blocks * 512
    template.close()
    warrants: list[tuple[Warrant, str]] = []

    def prepared(attic: Attic) -> Callable[[], object]:
        trash_id = attic.delete("a/b")
        warrants.append((attic.purge_warrant(trash_id), trash_id))
        return lambda: attic.trash.purge(*warrants[-1])

    for attic in killed_at_every_step(template.home, tmp_path, prepared):
        removed = attic.trash.purge(*warrants[-1])
        assert (removed.freed_bytes, removed.failed) == (expected, [])
        assert attic.trash.entries()[0].state == "purged"
        assert attic.trash.entries()[0].freed_bytes == expected
        assert attic.trash.settle() == []
        assert in_trash(attic) == []
        attic.catalog.verify("a/c", full=True)
