"""What the signer signs extends what it remembers, whatever it is given and whenever it ends."""

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authority.ledger.signing import Signer
from app.domain.refusals import AuditUnavailable
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


def test_a_reader_never_sees_a_size_with_another_ones_root(signer: Signer) -> None:
    seen: list[Note] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if (note := signer.note()) is not None:
                seen.append(note)

    reader = threading.Thread(target=read)
    reader.start()
    for seq in range(1, 60):
        signer.sign(leaves(seq, seq))
    done.set()
    reader.join()
    for text in {note.text for note in seen}:
        found = Checkpoint.parse(text)
        assert found.root == merkle.root(leaves(1, found.size))


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
