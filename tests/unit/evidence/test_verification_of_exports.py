"""`verify_export` holds for what was exported, and names what was changed in the directory."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785

from app.evidence.notes import VerifierKey
from app.evidence.tiles import bundle, entries_of
from app.evidence.verification import Report, held_in, verify_export
from tests.fakes.log import event_body
from tests.verify_export.exported import (
    BLOB,
    KEY,
    STRANGER,
    WITNESS,
    WITNESS_KEY,
    cosign,
    flip,
    note_over,
    relist,
    write,
)

SIZE = 600


def bodies(size: int, *, from_seq: int = 1, what: str = "") -> list[bytes]:
    listed = f"{hashlib.sha256(BLOB).hexdigest()}\n".encode()
    record = json.loads(event_body(size)) | {
        "kind": "ledger_exported",
        "data": {"from_seq": from_seq, "blobs_sha256": hashlib.sha256(listed).hexdigest()},
    }
    return [*(event_body(seq, what) for seq in range(1, size)), rfc8785.dumps(record)]


def exported(directory: Path, size: int = SIZE, *, from_seq: int = 1) -> Path:
    held = bodies(size, from_seq=from_seq)
    older = note_over(held[: size // 2 + 1])
    older = older.add(cosign(older, WITNESS_KEY, WITNESS.sign, time_s=1_800_000_000))
    return write(directory, held, from_seq=from_seq, further=[older])


def verified(directory: Path, *keys: VerifierKey) -> Report:
    return verify_export(directory, keys=keys or (KEY,), processes=1)


def said(report: Report) -> str:
    return "\n".join(f"{found.part}: {found.sentence}" for found in report.findings)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600])
def test_an_export_holds_under_its_checkpoint(tmp_path: Path, size: int) -> None:
    report = verified(exported(tmp_path / "export", size))
    assert report.findings == ()
    assert (report.size, report.covered) == (size, size)


def test_a_partial_export_holds_and_says_what_was_not_there(tmp_path: Path) -> None:
    report = verified(exported(tmp_path / "export", from_seq=300))
    assert report.findings == ()
    assert report.covered == SIZE
    assert any("bodies of events 1 to 256 are not in" in line for line in report.unchecked)


def test_keys_that_came_along_are_said_to_have_come_along(tmp_path: Path) -> None:
    report = verify_export(exported(tmp_path / "export"))
    assert report.holds
    assert any("came with the export, not from elsewhere" in line for line in report.unchecked)


def entry(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    def attack(directory: Path) -> None:
        file = directory / "tile/entries/000"
        file.write_bytes(bundle(change(list(entries_of(file.read_bytes())))))

    return attack


def put_in(directory: Path) -> None:
    (directory / "tile/0/009").write_bytes(b"")


def take_evidence(directory: Path) -> None:
    name = f"blobs/{hashlib.sha256(BLOB).hexdigest()}"
    (directory / name).unlink()
    manifest = json.loads((directory / "manifest.json").read_bytes())
    del manifest["files"][name]
    (directory / "manifest.json").write_bytes(rfc8785.dumps(manifest))


ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a changed event": (
        entry(lambda held: [*held[:19], held[19].replace(b"model-20", b"model-21"), *held[20:]]),
        r"Event 20: its body was changed: the leaf is the one",
    ),
    "swapped events": (
        entry(lambda held: [*held[:19], held[20], held[19], *held[21:]]),
        r"Event 20 says that it is event 21: it was moved here",
    ),
    "an event removed": (
        entry(lambda held: held[:19] + held[20:]),
        r"tile/entries/000 has 255 events instead of 256",
    ),
    "a hash of level 0": (
        lambda directory: flip(directory / "tile/0/000", 32 * 19),
        r"Event 20: its recorded leaf was changed",
    ),
    "a hash of level 1": (
        lambda directory: flip(directory / "tile/1/000.p/2", 3),
        r"node over events 1 to 256 \(level 1\) was altered",
    ),
    "a bundle missing": (
        lambda directory: (directory / "tile/entries/001").unlink(),
        r"tile/entries/001 cannot be read",
    ),
    "a tile missing": (
        lambda directory: (directory / "tile/0/001").unlink(),
        r"tile/0/001 is missing",
    ),
    "the checkpoint": (
        lambda directory: flip(directory / "checkpoint", -9),
        r"The checkpoint in checkpoint does not hold",
    ),
    "a cosigned checkpoint": (
        lambda directory: [flip(file, -9) for file in directory.glob("cosigned/*")] and None,
        r"The checkpoint in cosigned/301-\w+ does not hold",
    ),
    "evidence": (
        lambda directory: [flip(file) for file in directory.glob("blobs/*")] and None,
        r"The evidence [0-9a-f]{64} was altered",
    ),
    "evidence taken out": (take_evidence, r"evidence is not what event 600 recorded"),
    "the verifier": (
        lambda directory: flip(directory / "verify.py"),
        r"verify.py was changed: the manifest has another digest",
    ),
    "a file put in": (put_in, r"tile/0/009 does not belong into this export"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_change_is_found_and_named(tmp_path: Path, name: str) -> None:
    directory = exported(tmp_path / "export")
    attack, named = ATTACKS[name]
    attack(directory)
    report = verified(directory)
    assert not report.holds
    assert re.search(named, said(report)), said(report)


def test_a_history_made_anew_needs_the_key_from_elsewhere(tmp_path: Path) -> None:
    from app.evidence.notes import verifier_key

    other = verifier_key(KEY.name, STRANGER)
    held = bodies(SIZE, what="pretend")
    directory = write(
        tmp_path / "export", held, note=note_over(held, (other, STRANGER)), keys=[other]
    )
    assert verify_export(directory, processes=1).holds
    assert "no key that is known here signed this note" in said(verified(directory))


def test_a_kept_checkpoint_shows_a_fork_and_a_rollback(tmp_path: Path) -> None:
    directory = exported(tmp_path / "export", 300)
    for size, what, named in ((299, "other", "another root"), (SIZE, "", "an older copy")):
        kept = tmp_path / f"kept-{size}"
        kept.write_text(str(note_over(bodies(SIZE, what=what)[:size])), encoding="utf-8")
        report = verify_export(directory, keys=[KEY], held=[held_in(kept)], processes=1)
        assert named in said(report)


def test_a_manifest_made_to_fit_does_not_help(tmp_path: Path) -> None:
    directory = exported(tmp_path / "export")
    flip(directory / "checkpoint", 30)
    relist(directory)
    assert not verified(directory).holds
