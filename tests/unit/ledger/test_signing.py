"""What the signer signs extends what it remembers, whatever it is given and whenever it ends."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authority.ledger.signing import Signer, agrees
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence import merkle
from app.evidence.checkpoints import Checkpoint, SignedCheckpoint
from app.evidence.merkle import leaf_hash
from app.evidence.notes import Note, NoteInvalid
from tests.fakes.crashes import crash_points

ORIGIN = "lmx-authority/3f0c"


def opened(directory: Path, *, may_create: bool = False) -> Signer:
    return Signer.open(directory, origin=ORIGIN, may_create=may_create)


def leaves(first: int, last: int) -> list[bytes]:
    """Leaf hashes of the made-up events `first` to `last`."""
    return [leaf_hash(b"event %d" % seq) for seq in range(first, last + 1)]


def subtree_of(all_leaves: Sequence[bytes]) -> merkle.Subtree:
    def subtree(height: int, index: int) -> bytes:
        return merkle.root(all_leaves[index << height : (index + 1) << height])

    return subtree


def root_at(all_leaves: Sequence[bytes]) -> Callable[[int], bytes]:
    return lambda size: merkle.root(all_leaves[:size])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def signer(directory: Path) -> Signer:
    return opened(directory, may_create=True)


# --- what it signs ----------------------------------------------------------------------------


@given(groups=st.lists(st.integers(0, 40), min_size=1, max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_split_into_groups_gives_one_tree_of_consistent_notes(groups: list[int]) -> None:
    with tempfile.TemporaryDirectory() as where:
        signer = opened(Path(where) / "ledger", may_create=True)
        all_leaves = leaves(1, sum(groups))
        parsed: list[Checkpoint] = []
        start = 0
        for count in groups:
            note = signer.sign(all_leaves[start : start + count])
            start += count
            parsed.append(SignedCheckpoint.parse(str(note), signer.key).checkpoint)
            assert parsed[-1].size == signer.size == start
        assert signer.root == merkle.root(all_leaves)
        signer.close()
    for old, new in pairwise(parsed):
        assert old.root == merkle.root(all_leaves[: old.size])
        proof = merkle.consistency_proof(old.size, new.size, subtree_of(all_leaves))
        merkle.verify_consistency(old.size, old.root, new.size, new.root, proof)


def test_a_note_names_the_log_and_verifies_with_the_published_key_only(signer: Signer) -> None:
    note = signer.sign(leaves(1, 3))
    signed = SignedCheckpoint.parse(str(note), *signer.keys)
    assert signed.checkpoint == Checkpoint(ORIGIN, 3, merkle.root(leaves(1, 3)))
    assert signed.signed_by == (signer.key,)
    assert signer.key.name == ORIGIN


def test_a_note_does_not_verify_with_another_signers_key(signer: Signer, tmp_path: Path) -> None:
    other = opened(tmp_path / "other", may_create=True)
    with pytest.raises(NoteInvalid, match="no key that is known"):
        signer.sign(leaves(1, 3)).verify([other.key])


def test_the_same_head_has_the_same_note_again_after_a_restart(
    signer: Signer, directory: Path
) -> None:
    note = str(signer.sign(leaves(1, 5)))
    assert str(signer.sign([])) == str(signer.note()) == note
    again = opened(directory)
    assert (again.size, again.root) == (5, merkle.root(leaves(1, 5)))
    assert str(again.note()) == str(again.sign([])) == note


def test_before_the_first_event_there_is_no_note_but_an_empty_tree(signer: Signer) -> None:
    assert signer.note() is None
    assert Checkpoint.parse(signer.sign([]).text) == Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT)
    assert signer.note() is None


def test_a_leaf_that_is_no_hash_is_a_bug_and_changes_nothing(signer: Signer) -> None:
    signer.sign(leaves(1, 2))
    with pytest.raises(ValueError, match="32 bytes"):
        signer.sign([*leaves(3, 3), b"short"])
    assert signer.size == 2


def test_it_can_only_extend_what_it_remembers(signer: Signer, directory: Path) -> None:
    """A caller that has forgotten events and offers its own as the next ones makes a longer log."""
    old = signer.sign(leaves(1, 9))
    forged = [leaf_hash(b"another past"), *leaves(2, 4)]
    new = opened(directory).sign(forged)
    before, after = Checkpoint.parse(old.text), Checkpoint.parse(new.text)
    whole = leaves(1, 9) + forged
    assert after.root == merkle.root(whole) != merkle.root(forged)
    proof = merkle.consistency_proof(before.size, after.size, subtree_of(whole))
    merkle.verify_consistency(before.size, before.root, after.size, after.root, proof)


def test_a_tag_holds_for_its_size_and_root_only(signer: Signer, tmp_path: Path) -> None:
    root = merkle.root(leaves(1, 4))
    tag = signer.tag(4, root)
    assert len(tag) == 32
    assert signer.check_tag(4, root, tag)
    assert not signer.check_tag(5, root, tag)
    assert not signer.check_tag(4, merkle.root(leaves(1, 5)), tag)
    assert not signer.check_tag(4, root, bytes(32))
    assert not opened(tmp_path / "other", may_create=True).check_tag(4, root, tag)


def test_a_tag_holds_after_a_restart(signer: Signer, directory: Path) -> None:
    root = merkle.root(leaves(1, 4))
    assert opened(directory).check_tag(4, root, signer.tag(4, root))


# --- a memory that fails ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EIO, "The disk reports errors"),
        (errno.EROFS, "read-only"),
        (errno.EPERM, "Operation not permitted"),
    ],
)
@pytest.mark.parametrize("call", ["os.pwrite", "app.authority.ledger.signing.memory.sync"])
def test_what_cannot_be_remembered_is_not_signed(
    signer: Signer, directory: Path, code: int, remedy: str, call: str
) -> None:
    note = str(signer.sign(leaves(1, 3)))

    def failing(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call, failing)
        with pytest.raises(AuditUnavailable) as refused:
            signer.sign(leaves(4, 6))
    assert remedy in refused.value.message
    assert "nothing was signed" in refused.value.message
    assert "nothing that must be recorded is done" in refused.value.message
    assert (signer.size, str(signer.note())) == (3, note)
    signer.sign(leaves(4, 6))
    assert opened(directory).root == signer.root == merkle.root(leaves(1, 6))


def test_a_write_that_stops_half_way_is_not_signed_and_leaves_the_head_before(
    signer: Signer, directory: Path
) -> None:
    signer.sign(leaves(1, 3))
    pwrite = os.pwrite
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:100], at))
        with pytest.raises(AuditUnavailable, match="Free some space"):
            signer.sign(leaves(4, 6))
    assert signer.size == opened(directory).size == 3


def test_repeated_failures_never_cost_the_head_that_counts(signer: Signer, directory: Path) -> None:
    """Each retry goes over the same slot, so the other one stays whole."""
    signer.sign(leaves(1, 3))
    pwrite = os.pwrite
    for _ in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:100], at))
            with pytest.raises(AuditUnavailable):
                signer.sign(leaves(4, 6))
    assert opened(directory).size == 3


def test_a_crash_at_any_step_of_signing_leaves_the_head_before_or_after(tmp_path: Path) -> None:
    def prepare(directory: Path) -> Callable[[], object]:
        signer = opened(directory, may_create=True)
        signer.sign(leaves(1, 3))
        return lambda: signer.sign(leaves(4, 6))

    seen = set()
    for directory in crash_points(tmp_path, prepare):
        signer = opened(directory)
        assert signer.root == merkle.root(leaves(1, signer.size))
        seen.add(signer.size)
        signer.sign(leaves(signer.size + 1, 7))
        assert opened(directory).root == merkle.root(leaves(1, 7))
    assert seen == {3, 6}


# --- what is there at a start -----------------------------------------------------------------


def test_nothing_is_made_where_the_database_holds_events(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    with pytest.raises(StartRefused, match="are missing") as refused:
        opened(directory)
    assert "Restore the whole directory ledger/" in refused.value.message
    assert "recovery epoch" in refused.value.message
    assert not list(directory.iterdir())


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        (["signer"], "memory .*signer is missing"),
        (["signing.key"], "key .*signing.key is missing"),
        (["signing.key", "signer"], "are missing"),
        (["keys"], "keys cannot be used: No such file"),
    ],
)
@pytest.mark.parametrize("may_create", [False, True])
def test_a_signer_that_lost_a_file_is_never_completed_with_a_new_one(
    signer: Signer, directory: Path, missing: list[str], sentence: str, may_create: bool
) -> None:
    signer.sign(leaves(1, 3))
    for name in missing:
        (directory / name).unlink()
    before = sorted(directory.iterdir())
    with pytest.raises(StartRefused, match=sentence) as refused:
        opened(directory, may_create=may_create)
    assert "Restore" in refused.value.message
    assert sorted(directory.iterdir()) == before


def test_a_crash_at_any_step_of_the_first_start_can_be_started_again(tmp_path: Path) -> None:
    def prepare(directory: Path) -> Callable[[], object]:
        return lambda: opened(directory, may_create=True)

    for directory in crash_points(tmp_path, prepare):
        signer = opened(directory, may_create=True)
        signer.sign(leaves(1, 2))
        again = opened(directory)
        assert (again.size, again.keys) == (2, (signer.key,))
        assert sorted(path.name for path in directory.iterdir()) == [
            "keys",
            "signer",
            "signing.key",
        ]


def test_another_logs_signer_is_refused(signer: Signer, directory: Path) -> None:
    signer.sign(leaves(1, 1))
    with pytest.raises(StartRefused, match="of another log"):
        Signer.open(directory, origin="lmx-authority/else", may_create=False)


def test_another_key_beside_the_memory_is_refused(signer: Signer, tmp_path: Path) -> None:
    signer.sign(leaves(1, 1))
    opened(tmp_path / "other", may_create=True)
    shutil.copy2(tmp_path / "other" / "signing.key", tmp_path / "ledger" / "signing.key")
    with pytest.raises(StartRefused, match="remembers signing with the key"):
        opened(tmp_path / "ledger")


def test_yesterdays_keys_file_is_refused_where_it_lacks_the_current_key(
    signer: Signer, directory: Path
) -> None:
    yesterday = (directory / "keys").read_bytes()
    signer.begin_rotation()
    signer.finish_rotation()
    (directory / "keys").write_bytes(yesterday)
    with pytest.raises(StartRefused, match="does not name the current key"):
        opened(directory)


def test_a_directory_others_can_write_to_is_refused(signer: Signer, directory: Path) -> None:
    directory.chmod(0o770)
    with pytest.raises(StartRefused, match="chmod 700"):
        opened(directory)


# --- the signer and a database ----------------------------------------------------------------


def test_a_database_with_everything_that_was_signed_agrees(signer: Signer) -> None:
    agrees(signer, 0, root_at([]))
    signer.sign(leaves(1, 5))
    agrees(signer, 5, root_at(leaves(1, 5)))
    agrees(signer, 8, root_at(leaves(1, 8)))


def test_an_older_database_is_named_as_rolled_back(signer: Signer) -> None:
    signer.sign(leaves(1, 5))
    with pytest.raises(StartRefused) as refused:
        agrees(signer, 4, root_at(leaves(1, 4)))
    message = refused.value.message
    assert "older than what this server has signed" in message
    assert f"ends at 4 events (root {merkle.root(leaves(1, 4)).hex()[:16]})" in message
    assert f"5 were signed (root {signer.root.hex()[:16]})" in message
    assert "put back the database that has all 5 events" in message
    assert refused.value.details["reason"] == "rolled_back"


@pytest.mark.parametrize("size", [5, 9])
def test_a_rewritten_or_forked_database_is_named_as_different(signer: Signer, size: int) -> None:
    signer.sign(leaves(1, 5))
    rewritten = [*leaves(1, 2), leaf_hash(b"rewritten"), *leaves(4, size)]
    with pytest.raises(StartRefused) as refused:
        agrees(signer, size, root_at(rewritten))
    message = refused.value.message
    assert "not the one this server has signed" in message
    assert merkle.root(rewritten[:5]).hex()[:16] in message
    assert signer.root.hex()[:16] in message
    assert refused.value.details["reason"] == "different"


def test_yesterdays_memory_with_todays_key_still_refuses_what_contradicts_it(
    signer: Signer, directory: Path
) -> None:
    signer.sign(leaves(1, 5))
    yesterday = (directory / "signer").read_bytes()
    signer.sign(leaves(6, 9))
    (directory / "signer").write_bytes(yesterday)
    old = opened(directory)
    assert old.size == 5
    agrees(old, 9, root_at(leaves(1, 9)))  # what is beyond it needs its commit's tag
    forged = [*leaves(1, 5), leaf_hash(b"forged")]
    assert not old.check_tag(6, merkle.root(forged), os.urandom(32))
    with pytest.raises(StartRefused, match="older"):
        agrees(old, 4, root_at(leaves(1, 4)))


def test_notes_are_read_back_as_they_were_written(signer: Signer) -> None:
    note = signer.sign(leaves(1, 3))
    assert Note.parse(str(note)) == note
