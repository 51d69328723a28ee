"""What an export is held under, what it may read, and what of that is on record."""

import hashlib
import json

import pytest
from sqlalchemy import Engine

from app.authority.auditing.exports import Exports, instant_us
from app.authority.ledger import Ledger
from app.authority.ledger.tiles import exists
from app.domain.refusals import AuditUnavailable, Forbidden, InvalidRequest, ProofUnavailable
from app.evidence.checkpoints import SignedCheckpoint
from app.evidence.merkle import leaf_hash, root
from app.evidence.notes import VerifierKey
from app.evidence.tiles import Tile, bundle, entry_bundles, hash_tiles
from app.evidence.vocabulary import Kind
from tests.fakes.clock import START_UTC_US, FixedClock
from tests.fakes.events import boot
from tests.unit.exports.conftest import AUDITOR, CLIENT, Filled


async def test_the_checkpoint_covers_the_event_that_records_the_export(
    exports: Exports, ledger: Ledger, filled: Filled
) -> None:
    filled(3)
    begun = await exports.begin(AUDITOR, purpose="the yearly review")
    recorded = ledger.event(begun["event"])
    assert recorded.kind == Kind.LEDGER_EXPORTED
    assert recorded.data["purpose"] == "the yearly review"
    assert recorded.data["from_seq"] == begun["from_seq"] == 1
    keys = [VerifierKey.parse(key) for key in begun["keys"]]
    held = SignedCheckpoint.parse(begun["checkpoint"], *keys).checkpoint
    assert held.size == begun["size"] >= begun["event"]
    bodies = [ledger.event(seq).body for seq in range(1, held.size + 1)]
    assert held.root == root(leaf_hash(body) for body in bodies)


async def test_every_tile_is_what_the_bodies_say(exports: Exports, filled: Filled) -> None:
    bodies = filled(520)
    leaves = [leaf_hash(body) for body in bodies]
    size = len(bodies)
    for tile in hash_tiles(size):
        span = 256**tile.level if tile.level else 1
        start = tile.index * 256
        expected = b"".join(
            root(leaves[i * span : (i + 1) * span]) for i in range(start, start + tile.width)
        )
        assert await exports.tile(AUDITOR, tile.path) == expected, tile.path
    for tile in entry_bundles(size):
        start = tile.index * 256
        expected = bundle(bodies[start : start + tile.width])
        assert await exports.tile(AUDITOR, tile.path) == expected, tile.path


async def test_a_partial_tile_of_an_older_checkpoint_is_still_served(
    exports: Exports, filled: Filled
) -> None:
    bodies = filled(300)
    found = await exports.tile(AUDITOR, "tile/0/000.p/7")
    assert found == b"".join(leaf_hash(body) for body in bodies[:7])


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/0/000.p/6",
        "tile/1/000",
        "tile/1/000.p/1",
        "tile/2/000.p/1",
        "tile/63/000.p/1",
        "tile/entries/000.p/200",
        "tile/0/x000/000",
        "tile/0/0",
        "tile/00/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/05",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/../1/000",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "tile/",
    ],
)
async def test_a_tile_that_the_checkpoint_does_not_have_is_refused(
    exports: Exports, filled: Filled, path: str
) -> None:
    filled(5)
    with pytest.raises(ProofUnavailable):
        await exports.tile(AUDITOR, path)


def test_which_tiles_a_size_has() -> None:
    assert exists(Tile(0, 0, 5), 5)
    assert not exists(Tile(0, 0, 6), 5)
    assert exists(Tile(1, 0, 1), 256)
    assert not exists(Tile(1, 0, 1), 255)
    assert exists(Tile(2, 0, 1), 65_536)
    assert not exists(Tile(2, 0, 1), 65_535)


async def test_a_stream_is_the_tiles_behind_their_lengths(exports: Exports, filled: Filled) -> None:
    bodies = filled(5_000)  # more than one read of the database
    pieces = await exports.stream(AUDITOR, leaves=False, first=1, count=1_000)
    whole = b"".join([piece async for piece in pieces])
    chunks = [bundle(bodies[at : at + 256]) for at in range(256, len(bodies), 256)]
    assert whole == b"".join(len(one).to_bytes(4, "big") + one for one in chunks)


async def test_a_stream_ends_where_its_checkpoint_does(exports: Exports, filled: Filled) -> None:
    bodies = filled(300)
    pieces = await exports.stream(AUDITOR, leaves=True, first=0, count=9, size=257)
    found = b"".join([piece async for piece in pieces])
    expected = [leaf_hash(body) for body in bodies[:257]]
    assert found == (
        (8192).to_bytes(4, "big") + b"".join(expected[:256])
        + (32).to_bytes(4, "big") + expected[256]
    )  # fmt: skip
    for wrong in ({"size": 301}, {"first": 2}, {"first": 2**62}):
        asked = {"first": 0, "count": 9, "size": 300} | wrong
        with pytest.raises(ProofUnavailable):
            await exports.stream(AUDITOR, leaves=True, **asked)


async def test_evidence_is_listed_bound_to_the_event_and_read_by_its_digest(
    exports: Exports, ledger: Ledger
) -> None:
    from dataclasses import replace

    digest = hashlib.sha256(b"much").hexdigest()
    ledger.append(replace(boot(), evidence=(b"much",)))
    begun = await exports.begin(AUDITOR)
    assert begun["blobs"] == [digest]
    data = ledger.event(begun["event"]).data
    assert data["blobs_sha256"] == hashlib.sha256(f"{digest}\n".encode()).hexdigest()
    assert await exports.blob(AUDITOR, digest) == b"much"
    with pytest.raises(ProofUnavailable):
        await exports.blob(AUDITOR, "0" * 64)


async def test_since_takes_a_number_a_date_or_a_time(
    exports: Exports, ledger: Ledger, clock: FixedClock
) -> None:
    for _ in range(3):
        ledger.append(boot())
        clock.advance(86_400)  # from 2027-01-15 08:00 UTC on
    assert instant_us("2027-01-15T08:00:00Z") == START_UTC_US
    asked: dict[int | str, int] = {
        2: 2,
        "2027-01-15": 1,
        "2027-01-16": 2,
        "2027-01-16T10:00:00+02:00": 2,
        "2027-01-16T08:00:01": 3,
        "1999-01-01": 1,
    }
    for since, expected in asked.items():
        begun = await exports.begin(AUDITOR, since=since)
        assert begun["from_seq"] == expected, since
        assert ledger.event(begun["event"]).data["since"] == str(since)


@pytest.mark.parametrize("since", ["2999-01-01", 2**62])
async def test_since_a_time_to_come_begins_with_the_export_itself(
    exports: Exports, filled: Filled, since: int | str
) -> None:
    filled(3)
    begun = await exports.begin(AUDITOR, since=since)
    assert begun["from_seq"] == begun["event"] == 4


@pytest.mark.parametrize("since", ["", "yesterday", "2027-13-01", "1e3", "\ud800"])
async def test_since_nonsense_is_refused_and_nothing_recorded(
    exports: Exports, ledger: Ledger, filled: Filled, since: str
) -> None:
    filled(3)
    with pytest.raises(InvalidRequest):
        await exports.begin(AUDITOR, since=since)
    assert ledger.size() == 3


async def test_reading_is_noted_and_a_refused_reader_reads_nothing(
    exports: Exports, filled: Filled, reads: list[str]
) -> None:
    filled(3)
    for asking in (
        exports.begin(CLIENT),
        exports.checkpoint(CLIENT),
        exports.tile(CLIENT, "tile/0/000.p/3"),
        exports.stream(CLIENT, leaves=False, first=0, count=1),
        exports.blob(CLIENT, "0" * 64),
    ):
        with pytest.raises(Forbidden):
            await asking  # type: ignore[misc]
    assert reads == []
    await exports.tile(AUDITOR, "tile/0/000.p/3")
    await exports.stream(AUDITOR, leaves=False, first=0, count=1)
    assert reads == ["tiles", "entries"]


async def test_without_a_checkpoint_there_is_nothing_to_read(exports: Exports) -> None:
    with pytest.raises(AuditUnavailable):
        await exports.checkpoint(AUDITOR)


async def test_rows_that_are_gone_are_said_to_be(
    exports: Exports, filled: Filled, engine: Engine
) -> None:
    filled(300)
    path = str(engine.url.database)
    from pathlib import Path

    from tests.fakes.database import foreign_connection

    other = foreign_connection(Path(path))
    for trigger in ("ledger_event_no_delete", "ledger_node_no_delete"):
        other.execute(f"DROP TRIGGER {trigger}")
    other.execute("DELETE FROM ledger_event WHERE seq = 7")
    other.execute("DELETE FROM ledger_node")
    for tile in ("tile/0/000", "tile/entries/000", "tile/1/000.p/1"):
        with pytest.raises(AuditUnavailable, match="lmx ledger verify"):
            await exports.tile(AUDITOR, tile)


async def test_a_handover_to_a_new_key_goes_with_the_export(
    exports: Exports, ledger: Ledger, filled: Filled
) -> None:
    filled(3)
    old, new = ledger.rotate(AUDITOR)
    filled(2)
    begun = await exports.begin(AUDITOR)
    assert begun["keys"] == [str(old), str(new)]
    (handover,) = begun["notes"]
    assert set(SignedCheckpoint.parse(handover, old, new).signed_by) == {old, new}
    assert SignedCheckpoint.parse(begun["checkpoint"], old, new).signed_by == (new,)
    assert json.loads(json.dumps(begun)) == begun
