"""What verify.py says of exports that nobody touched."""

from pathlib import Path

import pytest
import rfc8785

from app.evidence.merkle import leaf_hash
from app.evidence.notes import VerifierKey, verifier_key
from tests.verify_export.exported import (
    KEY,
    LOG,
    NEXT,
    NEXT_KEY,
    WITNESS_KEY,
    events,
    note_over,
    usual_events,
    verify,
    write,
)


def test_an_untouched_export_holds_and_says_where_its_keys_came_from(made: Path) -> None:
    ended = verify(made)
    assert ended.code == 0, ended.said
    assert "600 events, signed by lmx-authority/test" in ended.said
    assert "events 1 to 600" in ended.said
    assert "witness.example/one saw 300 events at 2027-01-15" in ended.said
    assert "came with the export itself" in ended.said


def test_with_the_key_given_nothing_is_said_about_where_keys_came_from(made: Path) -> None:
    ended = verify(made, "--key", str(KEY))
    assert (ended.code, "came with the export" in ended.said) == (0, False)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513])
def test_every_size_around_a_tile_holds(tmp_path: Path, size: int) -> None:
    assert verify(write(tmp_path / "e", events(size, []), blobs=())).code == 0


def test_an_export_of_the_newest_events_has_the_older_ones_as_hashes(tmp_path: Path) -> None:
    bodies = events(600, [], from_seq=300)
    export = write(tmp_path / "e", bodies, blobs=(), from_seq=300)
    assert not (export / "tile/entries/000").exists()
    ended = verify(export)
    assert ended.code == 0, ended.said
    assert "events 257 to 600" in ended.said
    assert "events 1 to 256 are here as hashes only" in ended.said


@pytest.mark.slow
def test_a_log_of_three_levels_holds(tmp_path: Path) -> None:
    export = write(tmp_path / "e", events(65_536 + 300, []), blobs=())
    assert (export / "tile/2/000.p/1").is_file()
    assert verify(export).code == 0
    file = export / "tile/1/000"
    changed = bytearray(file.read_bytes())
    changed[40] ^= 1
    file.write_bytes(changed)
    ended = verify(export)
    assert ended.code == 1
    assert "tile/1/000: it does not fit its hash in tile/2/000.p/1" in ended.said


@pytest.mark.parametrize("seq", [1, 256, 257, 600])
def test_an_event_is_shown_with_a_proof(made: Path, seq: int) -> None:
    ended = verify(made, "--event", str(seq))
    assert ended.code == 0, ended.said
    assert leaf_hash(usual_events()[seq - 1]).hex() in ended.said
    assert f"event {seq} is under the checkpoint's root" in ended.said
    assert ended.said.isascii()  # nothing from inside an event reaches the terminal raw


def test_an_event_that_is_not_there_is_named(made: Path) -> None:
    ended = verify(made, "--event", "601")
    assert ended.code == 1
    assert "event 601: this export has events 1 to 600" in ended.said


@pytest.mark.parametrize("size", [1, 2, 255, 256, 300, 599, 600])
def test_a_checkpoint_that_was_kept_is_extended(made: Path, tmp_path: Path, size: int) -> None:
    kept = tmp_path / "kept"
    kept.write_text(str(note_over(usual_events()[:size])), "utf-8")
    ended = verify(made, "--checkpoint", str(kept))
    assert ended.code == 0, ended.said
    assert f"extends it ({size} events)" in ended.said


def test_a_newer_checkpoint_is_not_taken_as_shown(made: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(str(note_over(events(601, []))), "utf-8")
    ended = verify(made, "--checkpoint", str(kept))
    assert ended.code == 1
    assert "take a newer export" in ended.said


def rotated(seq: int, new: VerifierKey) -> list[bytes]:
    """300 events, of which one says that the log's key was changed."""
    bodies = events(300, [])
    data = {"old": str(KEY), "new": str(new)}
    bodies[seq - 1] = rfc8785.dumps({"seq": seq, "kind": "signing_key_rotated", "data": data})
    return bodies


def test_who_trusts_the_old_key_comes_to_trust_the_new_one(tmp_path: Path) -> None:
    bodies = rotated(200, NEXT_KEY)
    handover = note_over(bodies[:200], (KEY, LOG), (NEXT_KEY, NEXT))
    now = note_over(bodies, (NEXT_KEY, NEXT))
    keys = (KEY, NEXT_KEY)
    whole = write(tmp_path / "a", bodies, blobs=(), note=now, keys=keys, further=[handover])
    for options in ((), ("--event", "7")):
        ended = verify(whole, "--key", str(KEY), *options)
        assert ended.code == 0, ended.said
    without = write(tmp_path / "b", bodies, blobs=(), note=now, keys=keys)
    ended = verify(without, "--key", str(KEY))
    assert ended.code == 1
    assert "not by the key that you trust" in ended.said


@pytest.mark.parametrize("signers", ["both", "old alone"])
def test_a_stranger_who_signs_an_old_checkpoint_too_is_not_trusted(
    tmp_path: Path, signers: str
) -> None:
    """Anybody can add a line to a note, and write a handover of his own after it."""
    stranger = verifier_key(KEY.name, NEXT)
    genuine = events(300, [])
    forged = [*genuine[:199], *rotated(200, stranger)[199:]]
    both = ((KEY, LOG), (stranger, NEXT))
    notes = [note_over(genuine[:199], *(both if signers == "both" else both[:1]))]
    notes.append(note_over(forged[:200], (stranger, NEXT)))
    export = write(
        tmp_path / "e",
        forged,
        blobs=(),
        note=note_over(forged, (stranger, NEXT)),
        keys=(KEY, stranger),
        further=notes,
    )
    assert verify(export).code == 0  # it is whole, but whose is it?
    for options in ((), ("--event", "7")):
        ended = verify(export, "--key", str(KEY), *options)
        assert ended.code == 1, ended.said
        assert "not by the key that you trust" in ended.said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--key", "nonsense"), "--key"),
        (("--key", str(WITNESS_KEY)), "witness's key"),
        (("--checkpoint", "/nowhere/at/all"), "No such file"),
    ],
)
def test_what_cannot_be_checked_ends_with_2(made: Path, options: tuple[str, str], why: str) -> None:
    ended = verify(made, *options)
    assert (ended.code, why in ended.said) == (2, True), ended.said


def test_a_directory_that_is_not_there_ends_with_2(made: Path, tmp_path: Path) -> None:
    assert verify(tmp_path / "nothing", program=made / "verify.py").code == 2
