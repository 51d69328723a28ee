"""What a witness cosigns and what it refuses, as c2sp.org/tlog-witness orders."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import merkle
from app.evidence.checkpoints import (
    Bundle,
    Checkpoint,
    SignedCheckpoint,
    cosign,
    cosigned_at,
    signed,
)
from app.evidence.notes import COSIGNATURE, Note, Signature, verifier_key
from app.evidence.witnessing import Reason, Remembered, WitnessRefused, cosigned, decide, origin_of
from tests.fakes.signed_log import ORIGIN, SignedLog

WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
KEY = verifier_key("witness.example/w1", WITNESS, COSIGNATURE)


class Memory:
    """A witness that keeps what it decided in a list."""

    def __init__(self, log: SignedLog) -> None:
        self.keys = [log.key]
        self.history: list[Remembered] = []
        self.time_s = 1_800_000_000

    def show(self, bundle: Bundle) -> Note:
        found = decide(bundle, self.keys, self.history)
        if isinstance(found, Remembered):
            return found.note
        self.time_s += 1
        note = cosigned(found, KEY, WITNESS.sign, time_s=self.time_s)
        self.history.append(Remembered(bundle.old, found.checkpoint, note, self.time_s))
        return note

    def refuses(self, bundle: Bundle) -> WitnessRefused:
        before = list(self.history)
        with pytest.raises(WitnessRefused) as refused:
            self.show(bundle)
        assert self.history == before
        return refused.value


@pytest.fixture
def log() -> SignedLog:
    return SignedLog().grow(5)


@pytest.fixture
def witness(log: SignedLog) -> Memory:
    memory = Memory(log)
    memory.show(log.bundle(0))
    return memory


def test_a_growing_log_is_cosigned_at_every_step(log: SignedLog, witness: Memory) -> None:
    old = log.size
    for size in (6, 8, 9, 64, 65, 100):
        note = witness.show(log.grow(size).bundle(old))
        assert cosigned_at(note, KEY) == witness.time_s
        assert SignedCheckpoint.parse(str(note), log.key).checkpoint == log.checkpoint()
        old = size


def test_the_same_size_again_gets_a_new_time(log: SignedLog, witness: Memory) -> None:
    first = cosigned_at(witness.history[-1].note, KEY)
    again = cosigned_at(witness.show(log.bundle(5)), KEY)
    assert first is not None
    assert again is not None
    assert again > first


def test_a_bundle_whose_answer_got_lost_has_the_same_answer(
    log: SignedLog, witness: Memory
) -> None:
    bundle = log.grow(8).bundle(5)
    assert witness.show(bundle) == witness.show(bundle)
    assert [seen.checkpoint.size for seen in witness.history] == [5, 8]
    witness.show(log.grow(9).bundle(8))
    # Once it has gone on, the old bundle is an old one like any other.
    assert witness.refuses(bundle).reason is Reason.OTHER_OLD_SIZE


def test_an_unknown_log_is_refused_though_its_signature_is_good(witness: Memory) -> None:
    refused = witness.refuses(SignedLog("other/log").grow(3).bundle(0))
    assert (refused.reason, refused.against) == (Reason.UNKNOWN_LOG, None)


def test_a_log_is_known_by_its_name_and_not_by_a_key_of_another(log: SignedLog) -> None:
    """A log that is trusted cannot speak for another one."""
    memory = Memory(log)
    other = SignedLog("other/log", private=Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    memory.keys.append(other.key)
    text = log.note().text
    forged = Note(
        text, (Signature(other.key.name, other.key.id, other.private.sign(text.encode())),)
    )
    assert memory.refuses(Bundle(0, (), forged)).reason is Reason.NOT_SIGNED


def test_a_bad_signature_is_refused_even_beside_a_good_one(log: SignedLog, witness: Memory) -> None:
    note = log.grow(6).note()
    bad = Signature(log.key.name, log.key.id, bytes(64))
    proof = log.bundle(5).proof
    for signatures in ((bad,), (*note.signatures, bad), (bad, *note.signatures)):
        refused = witness.refuses(Bundle(5, proof, Note(note.text, signatures)))
        assert refused.reason is Reason.NOT_SIGNED
    stranger = Signature("stranger", b"abcd", bytes(64))
    kept = witness.show(Bundle(5, proof, note.add(stranger)))
    assert [signature.name for signature in kept.signatures] == [ORIGIN, KEY.name]


def test_another_old_size_is_told_which_size_was_seen(log: SignedLog, witness: Memory) -> None:
    for old in (0, 3, 6):
        refused = witness.refuses(log.grow(8).bundle(old))
        assert refused.reason is Reason.OTHER_OLD_SIZE
        assert refused.against is None
        assert "has seen 5 events" in refused.message
        assert "--since 5" in refused.message


def test_an_old_size_beyond_the_checkpoint_is_malformed(log: SignedLog, witness: Memory) -> None:
    refused = witness.refuses(Bundle(9, (), log.grow(8).note()))
    assert refused.reason is Reason.MALFORMED


def test_a_checkpoint_that_is_none_is_malformed_though_it_is_signed(
    log: SignedLog, witness: Memory
) -> None:
    text = f"{ORIGIN}\n6\n"
    note = Note(text, (Signature(log.key.name, log.key.id, log.private.sign(text.encode())),))
    assert witness.refuses(Bundle(5, (), note)).reason is Reason.MALFORMED


def test_a_missing_or_wrong_proof_is_refused_and_the_offer_kept(
    log: SignedLog, witness: Memory
) -> None:
    good = log.grow(8).bundle(5)
    for proof in ((), good.proof[:-1], (*good.proof, good.proof[0]), (bytes(32), *good.proof[1:])):
        refused = witness.refuses(Bundle(5, proof, good.note))
        assert (refused.reason, refused.proven) == (Reason.NOT_PROVEN, False)
        assert refused.against == witness.history[-1]
    assert witness.show(good)


def test_a_proof_for_a_witness_that_saw_nothing_is_refused(log: SignedLog) -> None:
    refused = Memory(log).refuses(Bundle(0, (bytes(32),), log.note()))
    assert refused.reason is Reason.NOT_PROVEN


def test_an_empty_log_has_the_root_of_nothing() -> None:
    log = SignedLog()
    memory = Memory(log)
    wrong = signed(Checkpoint(ORIGIN, 0, bytes(32)), (log.key, log.private.sign))
    assert memory.refuses(Bundle(0, (), wrong)).reason is Reason.NOT_PROVEN
    memory.show(log.bundle(0))
    memory.show(log.grow(4).bundle(0))


def test_another_root_for_a_size_that_was_seen_is_a_fork(log: SignedLog, witness: Memory) -> None:
    witness.show(log.grow(9).bundle(5))
    for size in (5, 9):  # the latest, and one in its past
        other = log.copy(3).grow(size, "other")
        for old in (0, 5, 9):
            refused = witness.refuses(Bundle(old, (), other.note()))
            assert (refused.reason, refused.proven) == (Reason.FORK, True)
            assert refused.against is not None
            assert refused.against.checkpoint == log.checkpoint(size)


@pytest.mark.parametrize("seen", [5, 6, 7, 9])
def test_a_copy_that_grew_apart_is_convicted_by_its_own_proof(seen: int) -> None:
    log = SignedLog().grow(seen)
    memory = Memory(log)
    memory.show(log.bundle(0))
    other = log.copy(seen - 1).grow(20, "other")
    bundle = other.bundle(seen)
    refused = memory.refuses(bundle)
    assert (refused.reason, refused.proven) == (Reason.FORK, True)
    assert refused.against is not None
    # Anyone can check it: both roots are signed, and the proof leads from another beginning.
    remembered = refused.against.checkpoint
    implied = merkle.implied_old_root(bundle.old, 20, other.root(), bundle.proof)
    assert implied == other.root(seen) != remembered.root


@pytest.mark.parametrize("seen", [1, 2, 4, 8])
def test_a_copy_that_grew_apart_after_a_power_of_two_cannot_prove_that_it_did_not(
    seen: int,
) -> None:
    log = SignedLog().grow(seen)
    memory = Memory(log)
    memory.show(log.bundle(0))
    refused = memory.refuses(log.copy(seen - 1).grow(20, "other").bundle(seen))
    assert (refused.reason, refused.proven) == (Reason.NOT_PROVEN, False)
    assert refused.against == memory.history[-1]


def test_an_old_checkpoint_again_is_refused_without_an_accusation(
    log: SignedLog, witness: Memory
) -> None:
    old = log.bundle(0)
    witness.show(log.grow(9).bundle(5))
    witness.show(log.grow(12).bundle(9))
    refused = witness.refuses(old)
    assert (refused.reason, refused.against) == (Reason.OTHER_OLD_SIZE, None)
    assert "has seen 12 events" in refused.message


def test_a_smaller_log_that_was_never_shown_is_kept_beside_the_next_larger_one(
    log: SignedLog, witness: Memory
) -> None:
    witness.show(log.grow(9).bundle(5))
    witness.show(log.grow(12).bundle(9))
    other = log.copy(2).grow(7, "other")
    refused = witness.refuses(other.bundle(0))
    assert (refused.reason, refused.proven) == (Reason.ROLLBACK, False)
    assert refused.against is not None
    assert refused.against.checkpoint.size == 9
    # With its proof from a size that was seen, it convicts itself.
    refused = witness.refuses(other.bundle(5))
    assert (refused.reason, refused.proven) == (Reason.FORK, True)


def test_a_rotated_logs_checkpoints_need_one_trusted_key(log: SignedLog, witness: Memory) -> None:
    new = SignedLog(ORIGIN, log.leaves, Ed25519PrivateKey.from_private_bytes(b"n" * 32))
    log.grow(6)
    both = signed(log.checkpoint(), (log.key, log.private.sign), (new.key, new.private.sign))
    proof = log.bundle(5).proof
    kept = witness.show(Bundle(5, proof, both))
    assert [one.key_id for one in kept.signatures] == [log.key.id, KEY.id]
    log.grow(7)
    assert witness.refuses(new.bundle(6)).reason is Reason.NOT_SIGNED
    witness.keys.append(new.key)
    witness.show(new.bundle(6))


def test_sixteen_strange_signatures_leave_room_for_the_witnesss_own(log: SignedLog) -> None:
    strange = [Signature(f"s{n}", b"abcd", bytes(64)) for n in range(15)]
    bundle = Bundle.parse(str(Bundle(0, (), log.note().add(*strange))))
    note = Memory(log).show(bundle)
    assert Note.parse(str(note)) == note


def test_a_cosignature_in_the_offer_is_not_taken_along(log: SignedLog) -> None:
    earlier = cosign(log.note(), KEY, WITNESS.sign, time_s=5)
    note = Memory(log).show(Bundle(0, (), log.note().add(earlier)))
    assert len(note.signatures) == 2
    assert cosigned_at(note, KEY) != 5


def test_a_bundle_names_its_log(log: SignedLog) -> None:
    assert origin_of(log.bundle(0)) == ORIGIN


@given(st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25), st.booleans()), max_size=15))
def test_whatever_is_shown_all_that_was_cosigned_is_one_history(
    shown: list[tuple[int, int, bool]],
) -> None:
    log = SignedLog().grow(25)
    other = log.copy(6).grow(25, "other")
    memory = Memory(log)
    for old, size, honest in shown:
        try:
            memory.show((log if honest else other).bundle(old, size))
        except WitnessRefused:
            continue
    sizes = [seen.checkpoint.size for seen in memory.history]
    assert sizes == sorted(sizes)
    roots = {(seen.checkpoint.size, seen.checkpoint.root) for seen in memory.history}
    assert any(all(root == source.root(size) for size, root in roots) for source in (log, other))
