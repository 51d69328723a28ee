"""A new signing key: the old one vouches for it, it signs alone from then on, and nothing stops."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.ledger import Kind, Ledger
from app.domain.actors import Actor, Role
from app.domain.refusals import AuditUnavailable
from app.evidence.checkpoints import SignedCheckpoint
from app.evidence.notes import VerifierKey
from app.evidence.sink_lines import LineKind, read
from tests.fakes import events
from tests.fakes.database import foreign_connection
from tests.fakes.home import Home, new_home

ADA = Actor(id="key:0badcafe", name="Ada", roles=frozenset({Role.OPERATOR}))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = new_home(tmp_path / "home")
    yield made
    made.stop()


def keys_on_disk(home: Home) -> list[VerifierKey]:
    return [VerifierKey.parse(line) for line in (home.ledger / "keys").read_text().splitlines()]


def checkpoints(home: Home) -> dict[int, SignedCheckpoint]:
    """Every checkpoint that was ever published, by its size, checked with the keys on the disk."""
    with home.sink.open("rb") as file:
        notes = [line.content for line in read(file, first=1) if line.kind is LineKind.CHECKPOINT]
    parsed = [SignedCheckpoint.parse(note, *keys_on_disk(home)) for note in notes]
    return {found.checkpoint.size: found for found in parsed}


def signers(found: SignedCheckpoint) -> set[VerifierKey]:
    return set(found.signed_by)


def test_a_rotation_is_on_record_and_signed_by_both_keys_then_by_the_new_one(home: Home) -> None:
    ledger = home.start()
    old, new = ledger.rotate(ADA)
    (said,) = ledger.events(kind=Kind.SIGNING_KEY_ROTATED)
    assert (said.actor, said.outcome, said.data) == (
        ADA.id,
        "done",
        {"old": str(old), "new": str(new)},
    )
    assert keys_on_disk(home) == [old, new]
    later = ledger.append(events.saying("by the new key"))
    published = checkpoints(home)
    assert signers(published[said.seq - 1]) == {old}
    assert signers(published[said.seq]) == {old, new}
    assert signers(published[later.seq]) == {new}
    newest = ledger.checkpoint()
    assert newest is not None
    assert set(newest.verify([old, new])) == {new}
    home.stop()
    assert home.findings() == []


def test_a_start_after_a_rotation_goes_on_with_the_new_key(home: Home) -> None:
    keys = [home.start().rotate(ADA)[1]]
    for number in range(3):
        home.stop()
        ledger = home.start(f"boot-{number + 2}")
        assert ledger.keeping.signer.key == keys[-1]
        assert ledger.keeping.signer.pending is None
        keys.append(ledger.rotate(ADA)[1])
    home.stop()
    assert len(set(keys)) == 4
    assert len(keys_on_disk(home)) == 5
    assert home.findings() == []


def test_a_rotation_waits_for_its_turn_among_many_appends(home: Home) -> None:
    ledger = home.start()
    failed: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(40):
                ledger.append(events.saying(str(number)))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        rotations = [ledger.rotate(ADA) for _ in range(4)]
    finally:
        for thread in threads:
            thread.join(60)
    assert not failed
    assert [new for _, new in rotations[:-1]] == [old for old, _ in rotations[1:]]
    said = ledger.events(kind=Kind.SIGNING_KEY_ROTATED, limit=10)
    assert len(said) == 4
    size = ledger.size()
    home.stop()
    published = checkpoints(home)
    assert max(published) == size
    for event, (old, new) in zip(said, rotations, strict=True):
        first = min(at for at in published if at >= event.seq)
        assert signers(published[first]) == {old, new}
        assert all(signers(published[at]) != {old} for at in published if at > first)
    assert home.findings() == []


def refused_rotation(home: Home, ledger: Ledger) -> None:
    other = foreign_connection(home.database)
    other.execute(
        "CREATE TRIGGER in_the_way BEFORE INSERT ON ledger_event BEGIN SELECT RAISE(ABORT, 'no');"
        " END"
    )
    with pytest.raises(AuditUnavailable, match="guards refused an event"):
        ledger.rotate(ADA)
    other.execute("DROP TRIGGER in_the_way")
    other.close()


def test_a_rotation_that_could_not_be_recorded_is_undone_by_the_next_start(home: Home) -> None:
    ledger = home.start()
    old = ledger.keeping.signer.key
    refused_rotation(home, ledger)
    assert ledger.keeping.signer.key == old
    ledger.append(events.saying("goes on"))
    home.stop()
    ledger = home.start("boot-2")
    assert ledger.keeping.signer.pending is None
    assert ledger.keeping.signer.keys == (old,)
    assert ledger.events(kind=Kind.SIGNING_KEY_ROTATED) == []
    home.stop()
    assert home.findings() == []


def test_a_rotation_that_could_not_be_recorded_can_be_asked_for_again(home: Home) -> None:
    ledger = home.start()
    refused_rotation(home, ledger)
    ledger.append(events.saying("in between"))
    old, new = ledger.rotate(ADA)
    assert ledger.keeping.signer.keys == (old, new)
    ledger.append(events.saying("after"))
    home.stop()
    assert home.findings() == []
    assert home.start("boot-2").keeping.signer.key == new


def test_a_rotation_whose_copy_could_not_be_written_is_finished_by_the_next_start(
    home: Home,
) -> None:
    ledger = home.start()
    old = ledger.keeping.signer.key
    moved = home.sink.rename(home.path / "moved")
    with pytest.raises(AuditUnavailable, match="was deleted or moved away"):
        ledger.rotate(ADA)
    moved.rename(home.sink)
    home.stop()
    ledger = home.start("boot-2")
    (said,) = ledger.events(kind=Kind.SIGNING_KEY_ROTATED)
    assert str(ledger.keeping.signer.key) == said.data["new"]
    assert ledger.keeping.signer.keys[0] == old
    home.stop()
    assert home.findings() == []
