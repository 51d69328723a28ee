"""Every file of an export, changed in every way we thought of: found, and named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.evidence.notes import verifier_key
from app.evidence.tiles import bundle, entries_of
from tests.verify_export.exported import (
    BLOB,
    KEY,
    STRANGER,
    VERIFIER,
    change_manifest,
    copy,
    events,
    flip,
    note_over,
    relist,
    usual_events,
    verify,
    write,
)

PARTIAL = "tile/entries/002.p/88"


def files(export: Path, pattern: str) -> list[Path]:
    return [file for file in sorted(export.glob(pattern)) if file.is_file()]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("checkpoint", "checkpoint: "),
        ("keys", "keys: "),
        ("manifest.json", "manifest.json"),
        ("README.txt", "README.txt: it is not the file that the manifest lists"),
        ("verify.py", "verify.py: it is not the file that the manifest lists"),
        ("blobs/*", ": its bytes do not have this digest"),
        ("cosigned/*", "cosigned/300-"),
        ("tile/0/000", "tile/0/000: it does not fit its hash in tile/1/000.p/2"),
        ("tile/0/002.p/*", "tile/0/002.p/88"),
        ("tile/1/000.p/*", "it does not fit its hash in tile/1/000.p/2"),
        ("tile/entries/000", "event 256 in tile/entries/000"),
        ("tile/entries/002.p/*", "event 600 in tile/entries/002.p/88"),
    ],
)
def test_one_flipped_bit_is_found_and_its_file_named(
    export: Path, pattern: str, named: str
) -> None:
    for file in files(export, pattern):
        flip(file, -3)
    ended = verify(export, program=VERIFIER)
    assert ended.code == 1, ended.said
    assert named in ended.said


@pytest.mark.parametrize("pattern", ["checkpoint", "keys", "cosigned/*", "blobs/*"])
def test_a_manifest_that_was_made_to_fit_does_not_help(export: Path, pattern: str) -> None:
    for file in files(export, pattern):
        flip(file, 30 if pattern == "checkpoint" else -3)
    relist(export)
    assert verify(export).code == 1


@pytest.mark.parametrize("spoil", ["delete", "truncate", "lengthen", "empty"])
@pytest.mark.parametrize(
    "name",
    [
        "tile/0/000",
        "tile/1/000.p/2",
        "tile/entries/001",
        PARTIAL,
        "checkpoint",
        "keys",
        "manifest.json",  # written last: an export that was cut off has none
        "README.txt",
    ],
)
def test_missing_and_added_bytes_are_found(export: Path, name: str, spoil: str) -> None:
    file = export / name
    found = file.read_bytes()
    if spoil == "delete":
        file.unlink()
    else:
        file.write_bytes({"truncate": found[:-1], "lengthen": found + b"\n", "empty": b""}[spoil])
    ended = verify(export)
    assert ended.code == 1, ended.said
    assert name in ended.said


def test_two_swapped_bundles_are_found_and_say_what_they_are(export: Path) -> None:
    first, second = export / "tile/entries/000", export / "tile/entries/001"
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    ended = verify(export)
    assert ended.code == 1
    assert "event 1 in tile/entries/000" in ended.said
    assert "it says that it is event 257" in ended.said


def test_two_swapped_events_are_found(export: Path) -> None:
    file = export / PARTIAL
    entries = list(entries_of(file.read_bytes()))
    entries[3], entries[4] = entries[4], entries[3]
    file.write_bytes(bundle(entries))
    ended = verify(export)
    assert ended.code == 1
    assert "event 516 in" in ended.said


@pytest.mark.parametrize("edit", [lambda e: e[:-1], lambda e: [*e, e[-1]], lambda e: e[1:]])
def test_an_event_too_few_or_too_many_is_found(
    export: Path, edit: Callable[[list[bytes]], list[bytes]]
) -> None:
    file = export / PARTIAL
    file.write_bytes(bundle(edit(list(entries_of(file.read_bytes())))))
    ended = verify(export)
    assert ended.code == 1
    assert f"{PARTIAL}: it has" in ended.said


def test_a_file_that_does_not_belong_there_is_named(export: Path) -> None:
    (export / "tile/0/009").write_bytes(b"")
    ended = verify(export)
    assert ended.code == 1
    assert "tile/0/009: this file does not belong" in ended.said


def test_a_link_in_place_of_a_file_is_refused(export: Path, tmp_path: Path) -> None:
    file = export / PARTIAL
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert verify(export).code == 1


def test_a_manifest_cannot_point_out_of_the_export(export: Path) -> None:
    change_manifest(export, files={"../../etc/passwd": "0" * 64})
    ended = verify(export)
    assert ended.code == 1
    assert "is not a file of an export" in ended.said


def test_a_rewritten_history_is_another_signature_and_is_refused(tmp_path: Path) -> None:
    """All hashes are fresh and fit each other; only the log's key was not there to sign them."""
    rewritten = events(600, [BLOB], what="forged")
    stranger = verifier_key(KEY.name, STRANGER)
    note = note_over(rewritten, (stranger, STRANGER))
    export = write(tmp_path / "e", rewritten, note=note, keys=(stranger,))
    assert verify(export).code == 0  # by itself it holds: that is what --key is for
    ended = verify(export, "--key", str(KEY))
    assert ended.code == 1
    assert "not by the key that you trust" in ended.said


def test_an_older_checkpoint_of_a_forked_log_is_called_a_fork(made: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(str(note_over(events(400, [], what="other"))), "utf-8")
    ended = verify(made, "--checkpoint", str(kept))
    assert ended.code == 1
    assert "FORK" in ended.said


def test_a_cosigned_checkpoint_of_a_forked_log_is_called_a_fork(tmp_path: Path) -> None:
    fork = note_over(events(300, [], what="other"))
    export = write(tmp_path / "e", usual_events(), further=[fork])
    ended = verify(export)
    assert (ended.code, "FORK" in ended.said) == (1, True)


def test_a_checkpoint_of_another_log_is_not_taken(made: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(str(note_over(usual_events()[:5])).replace("test", "tess"), "utf-8")
    assert verify(made, "--checkpoint", str(kept)).code == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"kind":"x", "seq":2}',
        b'{"seq":2,"kind":"x"}',
        b'{"kind":"x","seq":2,"seq":2}',
        b'{"kind":"x","seq":2.0}',
        b'{"kind":"x","seq":2,"y":1e2}',
        b'{"kind":"x","seq":2,"y":NaN}',
        b'{"kind":"x","seq":2,"y":9007199254740992}',
        b'{"kind":"x","seq":2,"y":-0}',
        b'{"kind":"\\u0041","seq":2}',
        b'{"kind":"\\ud800","seq":2}',
        b'{"kind":"\xed\xa0\x80","seq":2}',
        b'{"kind":"\n","seq":2}',
        b'{"kind":"x","seq":2}\n',
        b'{"kind":"x","seq":3}',
        b"[2]",
        b"",
        '{"seq":2,"\ue000":1,"\U0001f600":2}'.encode(),
        b"[" * 60_000,
    ],
)
def test_a_body_that_two_readers_could_read_differently_is_named(
    tmp_path: Path, body: bytes
) -> None:
    """Signed as they are: the tree holds, and the event is still not one of this log's kind."""
    bodies = events(4, [BLOB])
    bodies[1] = body
    ended = verify(write(tmp_path / "e", bodies))
    assert ended.code == 1, ended.said
    assert "event 2 in tile/entries/000.p/4" in ended.said


def test_an_export_that_was_cut_at_the_front_is_not_what_its_event_says(tmp_path: Path) -> None:
    bodies = events(600, [BLOB])
    export = write(tmp_path / "e", bodies, from_seq=300)
    ended = verify(export)
    assert ended.code == 1
    assert "it records another export, not one from event 300" in ended.said


def test_evidence_that_was_left_out_is_missed(export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_bytes())
    for blob in files(export, "blobs/*"):
        blob.unlink()
        del manifest["files"][f"blobs/{blob.name}"]
    (export / "manifest.json").write_bytes(rfc8785.dumps(manifest))
    ended = verify(export)
    assert ended.code == 1
    assert "other evidence" in ended.said


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_holds_if_and_only_if_nothing_was_edited(
    made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    export = copy(made, tmp_path_factory.mktemp("edited") / "e")
    every = [file for file in sorted(export.rglob("*")) if file.is_file()]
    file = data.draw(st.sampled_from(every))
    before = file.read_bytes()
    start = data.draw(st.integers(0, len(before)))
    end = data.draw(st.integers(start, min(len(before), start + 40)))
    after = before[:start] + data.draw(st.binary(max_size=40)) + before[end:]
    file.write_bytes(after)
    assert verify(export, program=VERIFIER).code == (0 if after == before else 1)
