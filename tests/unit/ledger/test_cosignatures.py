"""Only this log's own checkpoints come back from a witness, and each is recorded once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from app.authority.auditing.proofs import EARLY_S, Proofs
from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.domain.actors import Actor, Role
from app.domain.refusals import (
    AuditUnavailable,
    CosignatureRefused,
)
from app.evidence.checkpoints import (
    Checkpoint,
    cosign,
    cosigned_at,
    signed,
)
from app.evidence.notes import Note, Signature, verifier_key
from app.evidence.schemas import check_data
from tests.fakes.events import boot
from tests.fakes.growing import Grow, grow_to
from tests.fakes.witness import Witness

OPERATOR = Actor("key:op", "op", frozenset({Role.OPERATOR}))


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
    grow_to(ledger, 5)
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
