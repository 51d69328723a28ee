"""A rotation is signed by both keys, and whenever it is cut off, the signer goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.authority.ledger.signing import Signer
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence import merkle
from app.evidence.merkle import leaf_hash
from app.evidence.notes import NoteInvalid
from tests.fakes.crashes import crash_points

ORIGIN = "lmx-authority/3f0c"
LEAVES = [leaf_hash(b"event %d" % seq) for seq in range(1, 10)]
ROTATED_FILES = ["keys", "signer", "signing.key"]


def opened(directory: Path, *, may_create: bool = False) -> Signer:
    return Signer.open(directory, origin=ORIGIN, may_create=may_create)


def begun(directory: Path) -> Signer:
    """A signer of three events with a rotation that has begun."""
    signer = opened(directory, may_create=True)
    signer.sign(LEAVES[:3])
    signer.begin_rotation()
    return signer


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def signer(directory: Path) -> Signer:
    return begun(directory)


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def failing(*_: object, **__: object) -> None:
    raise OSError(5, "Input/output error")


def test_while_it_is_pending_both_keys_sign(signer: Signer) -> None:
    old, new = signer.key, signer.pending
    assert new is not None
    assert new.name == old.name == ORIGIN
    for note in (signer.note(), signer.sign(LEAVES[3:4])):
        assert note is not None
        assert note.verify([old, new]) == (old, new)
        assert note.verify(signer.keys) == (old,)


def test_to_begin_again_is_the_same_rotation(signer: Signer, directory: Path) -> None:
    assert signer.begin_rotation() == signer.pending == opened(directory).begin_rotation()


def test_afterwards_only_the_new_key_signs(signer: Signer, directory: Path) -> None:
    old, new = signer.key, signer.pending
    assert signer.finish_rotation() == new == signer.key
    for current in (signer, opened(directory)):
        assert current.pending is None
        assert current.keys == (old, new)
        assert (current.size, current.root) == (3, merkle.root(LEAVES[:3]))
        note = current.note()
        assert note is not None
        assert note.verify(current.keys) == (new,)
        with pytest.raises(NoteInvalid):
            note.verify([old])
    assert files(directory) == ROTATED_FILES
    assert (directory / "signing.key").stat().st_mode & 0o777 == 0o600


def test_a_cancelled_one_leaves_the_old_key(signer: Signer, directory: Path) -> None:
    old = signer.key
    signer.cancel_rotation()
    signer.cancel_rotation()
    for current in (signer, opened(directory)):
        assert (current.key, current.pending, current.keys) == (old, None, (old,))
    assert files(directory) == ROTATED_FILES
    note = signer.note()
    assert note is not None
    assert len(note.signatures) == 1


def test_without_one_there_is_nothing_to_finish(directory: Path) -> None:
    with pytest.raises(ValueError, match="no rotation has begun"):
        opened(directory, may_create=True).finish_rotation()


def test_several_follow_each_other(signer: Signer, directory: Path) -> None:
    for count in range(4, 8):
        signer.finish_rotation()
        signer = opened(directory)
        signer.sign(LEAVES[signer.size : count])
        signer.begin_rotation()
    assert len(signer.keys) == 5
    assert opened(directory).root == merkle.root(LEAVES[:7])


def test_tags_are_made_by_the_current_key_until_the_rotation_is_finished(
    signer: Signer, directory: Path
) -> None:
    """So they hold where it is undone; what was signed needs none."""
    root = merkle.root(LEAVES[:5])
    tag = signer.tag(5, root)
    signer.begin_rotation()
    assert signer.tag(5, root) == tag
    assert opened(directory).check_tag(5, root, tag)
    signer.finish_rotation()
    assert not opened(directory).check_tag(5, root, tag)
    assert opened(directory).check_tag(5, root, signer.tag(5, root))
    assert opened(directory).check_tag(3, merkle.root(LEAVES[:3]), b"of a retired key")


@pytest.mark.parametrize("act", ["begin_rotation", "finish_rotation", "cancel_rotation"])
def test_cut_off_at_any_step_it_can_be_finished_or_cancelled(tmp_path: Path, act: str) -> None:
    def prepare(directory: Path) -> Callable[[], object]:
        signer = opened(directory, may_create=True)
        signer.sign(LEAVES[:3])
        if act != "begin_rotation":
            signer.begin_rotation()
        return getattr(signer, act)

    ends = set()
    for directory in crash_points(tmp_path, prepare):
        for way in ("finish", "cancel", "leave"):
            copy = directory.with_name(f"{directory.name}-{way}")
            shutil.copytree(directory, copy)
            signer = opened(copy)
            ends.add("pending" if signer.pending else f"{len(signer.keys)} keys")
            assert signer.root == merkle.root(LEAVES[:3])
            assert signer.key in signer.keys
            if way == "cancel":
                signer.cancel_rotation()
            if way == "finish":
                signer.begin_rotation()
                signer.finish_rotation()
            signer.sign(LEAVES[3:6])
            again = opened(copy)
            note = again.note()
            assert note is not None
            assert signer.key in note.verify(again.keys)
            assert again.root == merkle.root(LEAVES[:6])
            assert (again.key, again.pending, again.keys) == (
                signer.key,
                signer.pending,
                signer.keys,
            )
    assert (
        ends
        == {
            "begin_rotation": {"1 keys", "pending"},
            "finish_rotation": {"pending", "2 keys"},
            "cancel_rotation": {"pending", "1 keys"},
        }[act]
    )


@pytest.mark.parametrize(
    ("act", "call"),
    [
        ("begin_rotation", "signer.SigningKey.write"),
        ("finish_rotation", "signer.SigningKey.write"),
        ("finish_rotation", "signer.write_keys"),
        ("finish_rotation", "memory.sync"),
        ("finish_rotation", "opening.place"),
        ("finish_rotation", "files.sync_folder"),
        ("cancel_rotation", "memory.sync"),
        ("cancel_rotation", "signer.remove"),
    ],
)
def test_a_disk_that_fails_refuses_and_the_same_call_then_goes_on(
    directory: Path, act: str, call: str
) -> None:
    signer = opened(directory, may_create=True)
    signer.sign(LEAVES[:3])
    if act != "begin_rotation":
        signer.begin_rotation()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"app.authority.ledger.signing.{call}", failing)
        with pytest.raises(AuditUnavailable, match="disk reports errors"):
            getattr(signer, act)()
    signer.sign(LEAVES[3:4])
    assert opened(directory).root == merkle.root(LEAVES[:4])
    getattr(signer, act)()
    signer.sign(LEAVES[4:5])
    again = opened(directory)
    assert (again.size, again.key, again.pending) == (5, signer.key, signer.pending)
    assert again.keys == signer.keys


def test_a_finish_that_may_have_reached_the_disk_can_still_be_cancelled(
    signer: Signer, directory: Path
) -> None:
    """The sync failed, the bytes are there: without the new key they would be a dead end."""
    old = signer.key
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.authority.ledger.signing.memory.sync", failing)
        with pytest.raises(AuditUnavailable):
            signer.finish_rotation()
    signer.cancel_rotation()
    assert opened(directory).key == old


def test_a_new_key_whose_file_was_deleted_meanwhile_is_not_lost(
    signer: Signer, directory: Path
) -> None:
    (directory / "signing.key.next").unlink()
    assert signer.finish_rotation() == opened(directory).key


def test_yesterdays_memory_is_refused_after_a_rotation(signer: Signer, directory: Path) -> None:
    yesterday = (directory / "signer").read_bytes()
    signer.finish_rotation()
    (directory / "signer").write_bytes(yesterday)
    with pytest.raises(StartRefused, match="remembers signing with the key"):
        opened(directory)


def test_the_old_key_put_back_is_refused(signer: Signer, directory: Path) -> None:
    old = (directory / "signing.key").read_bytes()
    signer.finish_rotation()
    (directory / "signing.key").write_bytes(old)
    with pytest.raises(StartRefused, match="remembers signing with the key"):
        opened(directory)


@pytest.mark.parametrize("slot", [0, 1])
def test_a_damaged_slot_right_after_a_rotation_is_survived(
    signer: Signer, directory: Path, slot: int
) -> None:
    """Both slots name the new key before the old one is gone."""
    new = signer.finish_rotation()
    content = bytearray((directory / "signer").read_bytes())
    content[slot * 4096 + 80] ^= 1
    (directory / "signer").write_bytes(content)
    assert (opened(directory).key, opened(directory).size) == (new, 3)
