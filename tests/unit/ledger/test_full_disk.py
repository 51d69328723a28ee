"""On a full disk no intent is taken, what already happened is recorded, and room ends it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.ledger import Kind, Ledger, LedgerEvent, shutdown_event
from app.authority.ledger import reserve as reserve_module
from app.authority.ledger.failures import DISK_FULL, of_a_full_disk
from app.authority.ledger.opening import record_opening
from app.authority.ledger.reserve import Reserve
from app.domain.actors import ANONYMOUS, SYSTEM
from app.domain.refusals import AuditUnavailable
from app.evidence.verification import of_home, verify_database
from tests.fakes import events
from tests.fakes.database import fresh_database, weakened_engine
from tests.fakes.home import Home, genesis
from tests.fakes.ledger import opened_ledger

ROOT = Path(__file__).resolve().parents[3]
RESERVE_BYTES = 1 << 20
REFUSAL = LedgerEvent(
    Kind.REFUSAL, ANONYMOUS, "s", outcome="refused", data={"code": "c", "message": "m"}
)


class Volume:
    """A home whose database may not grow: `fill` and `free` stand for what others put there."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = Home(directory)
        self.engine: Engine = weakened_engine(fresh_database(directory))
        self.reserve = Reserve(directory / "ledger" / "reserve", RESERVE_BYTES)
        self._room = 100 * RESERVE_BYTES
        patch.setattr(reserve_module, "_free_bytes", lambda _: self._room)
        release, restore = self.reserve.release, self.reserve.restore
        patch.setattr(Reserve, "release", lambda _: self._changed(release()))
        patch.setattr(Reserve, "restore", lambda _: self._changed(restore()))
        self.ledger = self.start()

    def start(self) -> Ledger:
        opened = opened_ledger(self.engine, reserve=self.reserve)
        if opened.ledger.size() == 0:
            opened.ledger.append(genesis(opened.install_id))
        record_opening(opened)
        return opened.ledger

    def fill(self) -> None:
        """No page beyond those there are, but for what the reserve gives back."""
        self._room = 0
        self._limit()

    def free(self) -> None:
        self._room = 100 * RESERVE_BYTES
        self._limit()

    def _changed(self, did: bool) -> bool:
        if did:
            self._limit()
        return did

    def _limit(self) -> None:
        raw = self.engine.raw_connection()
        cursor = raw.cursor()
        page_size = cursor.execute("PRAGMA page_size").fetchone()[0]
        count = cursor.execute("PRAGMA page_count").fetchone()[0]
        raw.close()
        given_back = 0 if self.reserve.held else RESERVE_BYTES // page_size
        limit = 1_000_000 if self._room else count + given_back
        self._everywhere(f"PRAGMA max_page_count = {limit}")

    def _everywhere(self, pragma: str) -> None:
        """The limit belongs to a connection: set it on every one that the pool holds."""
        raws = [self.engine.raw_connection() for _ in range(5)]
        for raw in raws:
            raw.cursor().execute(pragma).fetchall()
        for raw in raws:
            raw.close()


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Volume]:
    made = Volume(tmp_path, monkeypatch)
    yield made
    made.engine.dispose()


def until_refused(ledger: Ledger, event: LedgerEvent, at_most: int = 500) -> AuditUnavailable:
    for _ in range(at_most):
        try:
            ledger.append(event)
        except AuditUnavailable as refusal:
            return refusal
    raise AssertionError("it was never refused")


def filled(volume: Volume) -> AuditUnavailable:
    volume.fill()
    return until_refused(volume.ledger, events.load_intent("x" * 1_000))


def test_an_intent_is_refused_and_what_already_happened_is_recorded(volume: Volume) -> None:
    ledger = volume.ledger
    intent = ledger.append(events.load_intent())
    refusal = filled(volume)
    assert refusal.message == DISK_FULL
    assert refusal.details["reason"] == "SQLITE_FULL"
    assert ledger.on_reserve
    assert not ledger.available
    assert not volume.reserve.held
    for event in (REFUSAL, events.load_outcome(intent.seq), events.worker_exited()):
        assert ledger.event(ledger.append(event).seq).intact
    with pytest.raises(AuditUnavailable, match="The disk is full"):
        ledger.append(events.load_intent())
    with (
        pytest.raises(AuditUnavailable, match="The disk is full"),
        ledger.recording(events.unload_intent()),
    ):
        raise AssertionError("nothing is changed while nothing can be recorded")
    with pytest.raises(AuditUnavailable, match="The disk is full"):
        ledger.rotate(SYSTEM)
    assert ledger.keeping.signer.pending is None
    assert not ledger.available
    ledger.append(shutdown_event(boot_id="boot-1", reason="signal"))
    assert ledger.events(newest_first=True, limit=1)[0].kind == Kind.SHUTDOWN


def test_that_the_reserve_is_in_use_is_on_record_once(volume: Volume) -> None:
    filled(volume)
    for _ in range(5):
        volume.ledger.append(REFUSAL)
    said = volume.ledger.events(kind=Kind.RESERVE_USED)
    assert [event.data for event in said] == [{"reserve_bytes": RESERVE_BYTES}]


def test_room_ends_it_and_nothing_was_lost(volume: Volume, tmp_path: Path) -> None:
    filled(volume)
    recorded = [volume.ledger.append(REFUSAL).event_id for _ in range(5)]
    volume.free()
    assert volume.ledger.append(events.load_intent()).seq == volume.ledger.size()
    assert volume.ledger.available
    assert not volume.ledger.on_reserve
    assert volume.reserve.held
    there = {event.event_id for event in volume.ledger.events(limit=1_000)}
    assert set(recorded) <= there
    volume.ledger.close()
    assert verify_database(of_home(tmp_path), processes=1).count == 0


def test_a_reserve_that_is_used_up_refuses_everything_until_there_is_room(volume: Volume) -> None:
    filled(volume)
    refusal = until_refused(volume.ledger, events.saying("x" * 30_000), 100)
    assert "The disk is full" in refusal.message
    size = volume.ledger.size()
    with pytest.raises(AuditUnavailable):
        volume.ledger.append(events.saying("x" * 30_000))
    volume.free()
    assert volume.ledger.append(events.load_intent()).seq == size + 1


def test_a_start_on_a_full_disk_keeps_what_is_left_for_what_must_be_written(
    volume: Volume,
) -> None:
    filled(volume)
    volume.ledger.append(REFUSAL)
    volume.ledger.close()
    again = volume.start()
    assert again.on_reserve
    again.append(events.boot("boot-2"))
    with pytest.raises(AuditUnavailable, match="The disk is full"):
        again.append(events.load_intent())
    volume.free()
    again.append(events.load_intent())
    assert again.available


def test_a_limit_that_the_volume_does_not_show_ends_in_a_refusal(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quota: the volume has room, so the reserve can be taken again and again."""
    volume.fill()
    monkeypatch.setattr(reserve_module, "_free_bytes", lambda _: 100 * RESERVE_BYTES)
    refusal = until_refused(volume.ledger, events.load_intent("x" * 1_000))
    assert refusal.message == DISK_FULL
    volume.ledger.append(REFUSAL)


def test_callers_of_one_group_are_served_by_what_each_asked_for(volume: Volume) -> None:
    volume.fill()

    def ask(event: LedgerEvent) -> bool:
        try:
            volume.ledger.append(event)
        except AuditUnavailable:
            return False
        return True

    asked = [events.load_intent("x" * 1_000), REFUSAL] * 150
    with ThreadPoolExecutor(8) as pool:
        served = list(pool.map(ask, asked, timeout=60))
    assert all(served[1::2])  # every refusal
    assert not all(served[::2])
    assert volume.ledger.size() == 2 + sum(served) + 2  # genesis, key; sink, reserve


def test_without_a_reserve_a_full_disk_is_a_refusal_like_any_other(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA max_page_count = 1")
    ledger = opened_ledger(engine).ledger
    refusal = until_refused(ledger, events.saying("x" * 2_000), 1_000)
    assert "Free some space" in refusal.message
    assert not ledger.on_reserve
    engine.dispose()


# --- the ledger's own volume, and the copy on it -------------------------------------------------


def test_a_copy_that_has_no_room_says_so_and_the_reserve_makes_some(
    volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if volume.reserve.held:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    volume._room = 0
    monkeypatch.setattr(os, "write", full)
    receipt = volume.ledger.append(REFUSAL)
    assert volume.ledger.event(receipt.seq).intact
    assert volume.ledger.on_reserve
    volume.ledger.append(REFUSAL)
    assert len(volume.ledger.events(kind=Kind.RESERVE_USED)) == 1


def test_a_copy_without_room_names_the_cause(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(AuditUnavailable, match="its volume is full") as refused:
        ledger.append(REFUSAL)
    assert refused.value.details == {"sink": "own", "reason": "ENOSPC"}
    assert of_a_full_disk(refused.value)


PROGRAM = """
import shutil, sys
from pathlib import Path
from app.authority.ledger import Kind
from app.authority.ledger.reserve import Reserve
from app.clock import SystemClock
from app.database import open_engine
from app.domain.refusals import AuditUnavailable
from tests.fakes.events import load_intent, saying, worker_exited
from tests.fakes.home import Home, new_home

volume = Path(sys.argv[1])
home = new_home(volume / "home")
home.reserve = Reserve(home.ledger / "reserve", 1 << 20)
ledger = home.start("small", SystemClock())
assert home.reserve.held and ledger.available
kept = [ledger.append(load_intent(f"model-{n}")).event_id for n in range(3)]
filler = (volume / "filler").open("wb", buffering=0)
for step in (1 << 16, 4096, 1):  # until not one byte is left
    try:
        while True:
            filler.write(b"f" * step)
    except OSError:
        pass
refused = 0
for _ in range(2000):
    try:
        kept.append(ledger.append(load_intent("y" * 500)).event_id)
    except AuditUnavailable as refusal:
        assert "The disk is full" in refusal.message, refusal.message
        refused += 1
        if refused == 3:
            break
assert refused == 3 and ledger.on_reserve and not home.reserve.held
kept += [ledger.append(worker_exited()).event_id for _ in range(20)]
kept.append(ledger.append(saying("the end")).event_id)
home.stop()  # which gives back the room of the database's log
filler.write(b"f" * (shutil.disk_usage(volume).free - 600_000))
ledger = home.start("again", SystemClock())
assert ledger.on_reserve, "a start on a full disk forgot that it is full"
(volume / "filler").unlink()
filler.close()
kept.append(ledger.append(load_intent()).event_id)
assert ledger.available and home.reserve.held
assert len(ledger.events(kind=Kind.RESERVE_USED)) >= 1
there = {event.event_id for event in ledger.events(limit=10_000)}
assert set(kept) <= there, "lost"
home.stop()
assert home.findings() == []
print("whole")
"""


def small_volume_refused() -> str:
    """Why no volume can be made here; empty where one can."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return "no volume can be made: there is no unshare"
    command = [unshare, "-rm", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no volume can be made: {tried.stderr.strip()}"


@pytest.mark.slow
@pytest.mark.parametrize("mebibytes", [4, 5])
def test_a_volume_that_is_really_full(tmp_path: Path, mebibytes: int) -> None:
    if why := small_volume_refused():
        pytest.skip(why)
    inner = f"mount -t tmpfs -o size={mebibytes}m none {tmp_path} && exec {sys.executable} -c"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{inner} "$1" {tmp_path}', "sh", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'services' / 'api'}:{ROOT}"},
    )
    assert done.stdout == "whole\n", done.stderr
