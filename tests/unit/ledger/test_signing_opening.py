"""A signer that lost a file is not made anew, and a database it contradicts is not gone on with."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.authority.ledger.signing import Signer, agrees
from app.domain.refusals import StartRefused
from app.evidence import merkle
from app.evidence.merkle import leaf_hash
from tests.fakes.crashes import crash_points

ORIGIN = "lmx-authority/3f0c"


def opened(directory: Path, *, may_create: bool = False) -> Signer:
    return Signer.open(directory, origin=ORIGIN, may_create=may_create)


def leaves(first: int, last: int) -> list[bytes]:
    """Leaf hashes of the made-up events `first` to `last`."""
    return [leaf_hash(b"event %d" % seq) for seq in range(first, last + 1)]


def root_at(all_leaves: Sequence[bytes]) -> Callable[[int], bytes]:
    return lambda size: merkle.root(all_leaves[:size])


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def signer(directory: Path) -> Signer:
    return opened(directory, may_create=True)


# --- what is there at a start -----------------------------------------------------------------


def test_nothing_is_made_where_the_database_holds_events(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    with pytest.raises(StartRefused, match="are missing") as refused:
        opened(directory)
    assert "Put back the directory ledger/" in refused.value.message
    assert "lmx backup restore" in refused.value.message
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
    assert "lmx backup restore" in refused.value.message
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


def test_a_first_start_that_was_cut_off_says_its_log_in_the_keys_file_or_not_at_all(
    tmp_path: Path,
) -> None:
    """The installation's id is drawn anew where nothing says it yet, and taken up where it does."""

    def prepare(directory: Path) -> Callable[[], object]:
        return lambda: opened(directory, may_create=True)

    for directory in crash_points(tmp_path, prepare):
        keys = directory / "keys"
        origin = keys.read_text().partition("+")[0] if keys.exists() else "lmx-authority/new"
        signer = Signer.open(directory, origin=origin, may_create=True)
        assert (signer.origin, signer.size) == (origin, 0)


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
