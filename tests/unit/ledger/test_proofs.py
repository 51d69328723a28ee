"""Proofs of a real ledger verify without it, and readers alone are given them."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.authority.auditing.proofs import Proofs
from app.authority.ledger import Ledger
from app.cli.ledger_proofs import verified_inclusion
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import (
    AuditUnavailable,
    Forbidden,
    KeyMissing,
    ProofUnavailable,
)
from app.evidence import merkle
from app.evidence.checkpoints import (
    Checkpoint,
    signed,
)
from app.evidence.merkle import ProofInvalid
from app.evidence.notes import Note, verifier_key
from tests.fakes.growing import Grow

AUDITOR = Actor("key:audit", "audit", frozenset({Role.AUDITOR}))
CLIENT = Actor("key:client", "client", frozenset({Role.CLIENT}))


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
