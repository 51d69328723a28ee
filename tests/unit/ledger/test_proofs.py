"""Proofs of a real ledger verify without it, and only its own cosigned checkpoints come back."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from app.authority.auditing.proofs import EARLY_S, Proofs
from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.authority.ledger.cosignatures import StoredCosignatures
from app.cli.ledger_proofs import verified_inclusion
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import (
    AuditUnavailable,
    CosignatureRefused,
    Forbidden,
    KeyMissing,
    ProofUnavailable,
)
from app.evidence import merkle
from app.evidence.checkpoints import (
    Bundle,
    Checkpoint,
    SignedCheckpoint,
    cosign,
    cosigned_at,
    signed,
)
from app.evidence.merkle import ProofInvalid
from app.evidence.notes import COSIGNATURE, Note, Signature, verifier_key
from app.evidence.schemas import check_data
from app.evidence.witnessing import Remembered, cosigned, decide
from tests.fakes.clock import FixedClock
from tests.fakes.events import boot

OPERATOR = Actor("key:op", "op", frozenset({Role.OPERATOR}))
AUDITOR = Actor("key:audit", "audit", frozenset({Role.AUDITOR}))
CLIENT = Actor("key:client", "client", frozenset({Role.CLIENT}))


@dataclass
class Witness:
    """A witness with a memory of its own."""

    name: str = "witness.example/alice"
    seed: bytes = b"w" * 32
    history: list[Remembered] = field(default_factory=list)

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def key(self) -> Any:
        return verifier_key(self.name, self.private, COSIGNATURE)

    @property
    def seen(self) -> int:
        return self.history[-1].checkpoint.size if self.history else 0

    def cosign(self, bundle: str, log: Ledger, time_s: int) -> Note:
        parsed = Bundle.parse(bundle)
        offer = decide(parsed, log.keeping.signer.keys, self.history)
        assert isinstance(offer, SignedCheckpoint)
        note = cosigned(offer, self.key, self.private.sign, time_s=time_s)
        self.history.append(Remembered(parsed.old, offer.checkpoint, note, time_s))
        return note


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def now_s(clock: FixedClock) -> int:
    return clock.utc_us() // 1_000_000


@pytest.fixture
def read() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def proofs(
    ledger: Ledger,
    engine: Engine,
    clock: FixedClock,
    witness: Witness,
    read: list[tuple[str, str]],
) -> Proofs:
    return Proofs(
        ledger=ledger,
        cosignatures=StoredCosignatures(engine),
        keys=lambda: ledger.keeping.signer.keys,
        witnesses=(witness.key,),
        clock=clock,
        note_read=lambda actor, what: read.append((actor.id, what)),
    )


@pytest.fixture
def grow(ledger: Ledger) -> Callable[[int], None]:
    return lambda size: _grow(ledger, size)


Grow = Callable[[int], None]


def _grow(ledger: Ledger, size: int) -> None:
    """Many callers at once share a commit: a hundred times faster than one after the other."""
    with ThreadPoolExecutor(64) as callers:
        for _ in callers.map(ledger.append, [boot()] * (size - ledger.size())):
            pass


def _hashes(answer: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(item) for item in answer["proof"]]


async def test_every_event_is_proven_under_the_newest_checkpoint(
    proofs: Proofs, ledger: Ledger, grow: Grow
) -> None:
    grow(300)  # more than one tile: stored nodes take part
    keys = ledger.keeping.signer.keys
    for seq in (1, 2, 255, 256, 257, 300):
        leaf = ledger.event(seq).leaf
        answer = await proofs.inclusion(AUDITOR, seq)
        assert (answer["index"], answer["size"]) == (seq - 1, 300)
        verdict = verified_inclusion(seq, leaf, answer, keys)
        assert verdict.holds, verdict.why
        assert (verdict.size, verdict.signed_by) == (300, (ledger.keeping.signer.origin,))


async def test_the_command_lines_verdict_believes_nothing_but_the_signed_note(
    proofs: Proofs, ledger: Ledger, grow: Grow
) -> None:
    grow(11)
    keys, leaf = ledger.keeping.signer.keys, ledger.event(3).leaf
    answer = await proofs.inclusion(AUDITOR, 3)
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
    own = Checkpoint.parse(Note.parse(answer["checkpoint"]).text)
    forger = verifier_key(own.origin, stranger)
    forged = str(signed(replace(own, root=bytes(32)), (forger, stranger.sign)))
    wrong: list[tuple[int, bytes, dict[str, Any]]] = [
        (4, leaf, answer),
        (0, leaf, answer),
        (3, ledger.event(4).leaf, answer),
        (3, leaf, {**answer, "proof": answer["proof"][:-1]}),
        (3, leaf, {**answer, "proof": [*answer["proof"], answer["proof"][0]]}),
        (3, leaf, {**answer, "proof": answer["proof"][::-1]}),
        (3, leaf, {**answer, "proof": None}),
        (3, leaf, {**answer, "proof": ["not base64"]}),
        (3, leaf, {**answer, "checkpoint": forged}),
        (3, leaf, {**answer, "checkpoint": None}),
        (3, leaf, {**answer, "checkpoint": answer["checkpoint"][:-1]}),
        (3, leaf, {}),
    ]
    for seq, a_leaf, an_answer in wrong:
        verdict = verified_inclusion(seq, a_leaf, an_answer, keys)
        assert not verdict.holds
        assert verdict.why
    assert not verified_inclusion(3, leaf, answer, []).holds
    # What the answer says beside the note decides nothing.
    assert verified_inclusion(3, leaf, {**answer, "size": 99, "root": "x"}, keys).size == 11


async def test_an_event_is_proven_for_every_size_that_has_it(
    proofs: Proofs, ledger: Ledger, grow: Grow
) -> None:
    grow(20)
    leaf = ledger.event(7).leaf
    for size in range(7, 21):
        answer = await proofs.inclusion(AUDITOR, 7, size)
        root = base64.b64decode(answer["root"])
        merkle.verify_inclusion(leaf, 6, size, _hashes(answer), root)
        assert (answer["checkpoint"] is None) == (size < 20)
    for seq, size in ((7, 6), (0, 20), (-1, 20), (21, 21), (21, None), (1, 2**63 - 1)):
        with pytest.raises(ProofUnavailable, match="20 events"):
            await proofs.inclusion(AUDITOR, seq, size)


async def test_growth_is_proven_between_any_two_sizes(proofs: Proofs, grow: Grow) -> None:
    grow(300)
    for old, new in ((0, 300), (1, 300), (255, 256), (256, 300), (299, None), (300, 300)):
        answer = await proofs.consistency(AUDITOR, old, new)
        old_root, new_root = (base64.b64decode(answer[name]) for name in ("old_root", "new_root"))
        proof = _hashes(answer)
        merkle.verify_consistency(old, old_root, answer["new"], new_root, proof)
        with pytest.raises(ProofInvalid):
            merkle.verify_consistency(old, old_root, answer["new"], bytes(32), [*proof, bytes(32)])
    for old, new in ((301, None), (5, 4), (-1, 300), (0, 301)):
        with pytest.raises(ProofUnavailable):
            await proofs.consistency(AUDITOR, old, new)


async def test_an_empty_ledger_proves_nothing(proofs: Proofs) -> None:
    for asked in (
        proofs.checkpoint(AUDITOR),
        proofs.inclusion(AUDITOR, 1),
        proofs.consistency(AUDITOR, 0),
        proofs.bundle_for_witness(AUDITOR, 0),
    ):
        with pytest.raises(ProofUnavailable, match="no signed checkpoint"):
            await asked
    assert proofs.last_held() is None


async def test_a_witness_takes_the_bundles_and_its_answers_are_recorded(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    for size in (3, 9, 300):
        grow(size)
        bundle = await proofs.bundle_for_witness(OPERATOR, witness.seen)
        note = witness.cosign(bundle, ledger, now_s)
        covered = witness.seen
        answer = await proofs.cosigned(OPERATOR, str(note))
        assert [(one["witness"], one["new"]) for one in answer["witnesses"]] == [
            (witness.name, True)
        ]
        event = ledger.event(ledger.size())
        assert (event.kind, event.subject) == ("checkpoint_cosigned", witness.name)
        assert event.data["size"] == answer["size"] == covered
        check_data(Kind.CHECKPOINT_COSIGNED, event.data)
        assert proofs.last_held() == {
            "size": covered,
            "witness": witness.name,
            "key": str(witness.key),
            "time_s": now_s,
        }


async def test_the_same_cosignature_again_changes_nothing(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    grow(5)
    note = witness.cosign(await proofs.bundle_for_witness(OPERATOR, 0), ledger, now_s)
    await proofs.cosigned(OPERATOR, str(note))
    size = ledger.size()
    again = await proofs.cosigned(OPERATOR, str(note))
    assert [one["new"] for one in again["witnesses"]] == [False]
    assert ledger.size() == size
    ledger.append(boot())  # the transaction that ended left nothing behind


async def test_what_is_stored_carries_the_logs_and_the_witnesss_signature_alone(
    proofs: Proofs, ledger: Ledger, engine: Engine, witness: Witness, now_s: int
) -> None:
    _grow(ledger, 5)
    note = witness.cosign(await proofs.bundle_for_witness(OPERATOR, 0), ledger, now_s)
    strange = note.add(Signature("stranger", b"abcd", bytes(1000)))
    await proofs.cosigned(OPERATOR, str(strange))
    with engine.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM ledger_cosignature").all()
    assert (row.size, row.witness, row.time_s) == (5, str(witness.key), now_s)
    assert Note.parse(row.note) == note
    assert cosigned_at(Note.parse(row.note), witness.key) == now_s


async def test_two_witnesses_are_recorded_one_by_one(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    other = Witness("witness.example/bob", b"b" * 32)
    both = replace(proofs, witnesses=(witness.key, other.key))
    grow(5)
    bundle = await both.bundle_for_witness(OPERATOR, 0)
    note = witness.cosign(bundle, ledger, now_s)
    await both.cosigned(OPERATOR, str(note))
    joint = note.add(cosign(note, other.key, other.private.sign, time_s=now_s))
    answer = await both.cosigned(OPERATOR, str(joint))
    assert [one["new"] for one in answer["witnesses"]] == [False, True]


async def test_what_this_log_did_not_sign_is_refused(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    grow(5)
    note = witness.cosign(await proofs.bundle_for_witness(OPERATOR, 0), ledger, now_s)
    text = str(note)
    origin = ledger.keeping.signer.origin
    stranger = Ed25519PrivateKey.from_private_bytes(b"s" * 32)

    def of(name: str, size: int, root: bytes) -> str:
        key = verifier_key(name, stranger)
        made = signed(Checkpoint(name, size, root), (key, stranger.sign))
        return str(made.add(cosign(made, witness.key, witness.private.sign, time_s=now_s)))

    flipped = text.replace("\n5\n", "\n4\n")
    attacks = (
        "",
        "nonsense",
        text + "x",
        text[:-1],
        text.replace("\n", "\r\n"),
        flipped,
        of(origin, 5, bytes(32)),  # another key under this log's name
        of("lmx-authority/other", 5, bytes(32)),
    )
    before = ledger.size()
    for attack in attacks:
        with pytest.raises(CosignatureRefused, match="not a checkpoint that this log signed"):
            await proofs.cosigned(OPERATOR, attack)
    assert ledger.size() == before
    assert proofs.last_held() is None


async def test_this_logs_signature_over_another_history_is_refused_as_what_it_is(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    """As after a restored backup: the key's own note says more, or other, than there is now."""
    grow(5)
    log = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
    origin = ledger.keeping.signer.origin
    key = verifier_key(origin, log)
    trusting = replace(proofs, keys=lambda: [key])

    def noted(size: int) -> str:
        note = signed(Checkpoint(origin, size, bytes(32)), (key, log.sign))
        return str(note.add(cosign(note, witness.key, witness.private.sign, time_s=now_s)))

    with pytest.raises(CosignatureRefused, match="another root for its first 4 events"):
        await trusting.cosigned(OPERATOR, noted(4))
    for size in (0, 6, 2**63 - 1):
        with pytest.raises(CosignatureRefused, match="has 5 now"):
            await trusting.cosigned(OPERATOR, noted(size))


async def test_only_configured_witnesses_count_and_their_bad_signature_refuses_all(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    grow(5)
    own = Note.parse(await proofs.checkpoint(OPERATOR))
    mallory = Witness("witness.example/mallory", b"m" * 32)
    impostor = Witness(witness.name, b"i" * 32)
    for stranger in (mallory, impostor):
        note = own.add(cosign(own, stranger.key, stranger.private.sign, time_s=now_s))
        with pytest.raises(CosignatureRefused, match="No witness that this server"):
            await proofs.cosigned(OPERATOR, str(note))
    with pytest.raises(CosignatureRefused, match="No witness that this server"):
        await proofs.cosigned(OPERATOR, str(own))
    good = cosign(own, witness.key, witness.private.sign, time_s=now_s)
    bad = Signature(good.name, good.key_id, good.raw[:-1] + bytes([good.raw[-1] ^ 1]))
    for note in (own.add(bad), own.add(good, bad)):
        with pytest.raises(CosignatureRefused, match="does not hold"):
            await proofs.cosigned(OPERATOR, str(note))
    assert ledger.size() == 5


async def test_a_cosignature_from_the_future_is_refused(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    grow(5)
    own = Note.parse(await proofs.checkpoint(OPERATOR))
    late = own.add(cosign(own, witness.key, witness.private.sign, time_s=now_s + EARLY_S + 1))
    with pytest.raises(CosignatureRefused, match="dated in the future"):
        await proofs.cosigned(OPERATOR, str(late))
    soon = own.add(cosign(own, witness.key, witness.private.sign, time_s=now_s + EARLY_S))
    assert (await proofs.cosigned(OPERATOR, str(soon)))["witnesses"][0]["new"]


async def test_a_cosignature_and_its_event_are_stored_together_or_not_at_all(
    proofs: Proofs, ledger: Ledger, witness: Witness, grow: Grow, now_s: int
) -> None:
    grow(5)
    note = witness.cosign(await proofs.bundle_for_witness(OPERATOR, 0), ledger, now_s)

    class Failing:
        """The disk fills up between the cosignature's row and the event's."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        @contextmanager
        def recording(self, event: LedgerEvent) -> Iterator[Any]:
            with ledger.recording(event) as connection:
                yield connection
                raise AuditUnavailable("full")

    with pytest.raises(AuditUnavailable):
        await replace(proofs, ledger=Failing()).cosigned(OPERATOR, str(note))
    assert proofs.last_held() is None
    assert ledger.size() == 5
    assert (await proofs.cosigned(OPERATOR, str(note)))["witnesses"][0]["new"]


async def test_a_tree_with_a_gap_proves_nothing(proofs: Proofs, ledger: Ledger, grow: Grow) -> None:
    grow(5)

    class Cut:
        """As after rows were deleted: the checkpoint covers more than there is."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ledger, name)

        def checkpoint(self) -> Note:
            signer = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
            key = verifier_key("log", signer)
            return signed(Checkpoint("log", 9, bytes(32)), (key, signer.sign))

    cut = replace(proofs, ledger=Cut())
    for asked in (cut.inclusion(AUDITOR, 3), cut.consistency(AUDITOR, 3)):
        with pytest.raises(AuditUnavailable, match="damaged or cut"):
            await asked


async def test_reading_needs_a_reader_and_bringing_back_an_operator(
    proofs: Proofs, grow: Grow, read: list[tuple[str, str]]
) -> None:
    grow(5)

    def reads(actor: Actor) -> list[Any]:
        return [
            proofs.log_keys(actor),
            proofs.checkpoint(actor),
            proofs.inclusion(actor, 1),
            proofs.consistency(actor, 1),
            proofs.bundle_for_witness(actor, 1),
        ]

    for asked in (*reads(CLIENT), proofs.cosigned(CLIENT, "x"), proofs.cosigned(AUDITOR, "x")):
        with pytest.raises(Forbidden):
            await asked
    for asked in (*reads(ANONYMOUS), proofs.cosigned(ANONYMOUS, "x")):
        with pytest.raises(KeyMissing):
            await asked
    assert read == []
    for asked in reads(AUDITOR):
        assert await asked
    assert read == [(AUDITOR.id, "proofs")] * 3
