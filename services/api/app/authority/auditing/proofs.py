"""Use cases: prove that an event is in the log, that the log only grew, and take witnesses' word.

Proofs are made for the newest signed checkpoint, or for sizes below it.
"""

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from app.authority.ledger import cosignatures
from app.authority.ledger.cosignatures import Cosigned
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.tree import NodeMissing
from app.authority.permissions import Grant, Permission, grant, require
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, CosignatureRefused, ProofUnavailable
from app.evidence import merkle
from app.evidence.checkpoints import (
    Bundle,
    Checkpoint,
    CheckpointInvalid,
    SignedCheckpoint,
    cosigned_at,
)
from app.evidence.merkle import Subtree
from app.evidence.notes import Note, NoteInvalid, VerifierKey
from app.evidence.vocabulary import Kind

EARLY_S: Final = 300
"""How far a witness's clock may be ahead of this server's."""

NoteRead = Callable[[Actor, str], object]
"""Records that somebody read a part of the ledger; equal reads are counted together. May wait."""


class ProvableLedger(Protocol):
    """What proofs need of the ledger."""

    def checkpoint(self) -> Note | None: ...
    def tree(self) -> AbstractContextManager[Subtree]: ...
    def recording(self, event: LedgerEvent, /) -> AbstractContextManager[Connection]: ...


class HeldCosignatures(Protocol):
    """What was stored of witnesses' signatures."""

    def last(self) -> Cosigned | None: ...


class _HeldAlready(Exception):
    """Ends the transaction of a cosignature that is stored: nothing is recorded twice."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Each method asks for a grant first. `witnesses` are those that the settings name."""

    ledger: ProvableLedger
    cosignatures: HeldCosignatures
    keys: Callable[[], Sequence[VerifierKey]]
    witnesses: Sequence[VerifierKey]
    clock: Clock
    note_read: NoteRead

    async def log_keys(self, actor: Actor) -> dict[str, Any]:
        """Return the log's verifier keys, oldest first, and those of its witnesses."""
        grant(actor, Permission.LEDGER_READ)
        return {
            "keys": [str(key) for key in self.keys()],
            "witnesses": [str(key) for key in self.witnesses],
        }

    async def checkpoint(self, actor: Actor) -> str:
        """Return the newest checkpoint as a C2SP note."""
        grant(actor, Permission.LEDGER_READ)
        return str(self._newest()[0])

    async def inclusion(self, actor: Actor, seq: int, size: int | None = None) -> dict[str, Any]:
        """Return RFC 9162's proof that event `seq` is among the first `size`.

        Hashes are base64. The note is there where the size is the newest checkpoint's; whoever
        names another size has a checkpoint of it already.
        """
        grant(actor, Permission.LEDGER_READ)
        return await asyncio.to_thread(self._inclusion, actor, seq, size)

    async def consistency(self, actor: Actor, old: int, new: int | None = None) -> dict[str, Any]:
        """Return RFC 9162's proof that the first `old` events begin the first `new`."""
        grant(actor, Permission.LEDGER_READ)
        return await asyncio.to_thread(self._consistency, actor, old, new)

    async def bundle_for_witness(self, actor: Actor, old: int) -> str:
        """Return the body of tlog-witness's add-checkpoint, for one that has seen `old` events."""
        grant(actor, Permission.LEDGER_READ)
        return await asyncio.to_thread(self._bundle, actor, old)

    async def cosigned(self, actor: Actor, note: str) -> dict[str, Any]:
        """Take a checkpoint of this log that a configured witness cosigned, and record it.

        The same cosignature again changes nothing. Raises CosignatureRefused with what to do.
        """
        may = grant(actor, Permission.LEDGER_COSIGN)
        return await asyncio.to_thread(self._cosigned, may, note)

    def last_held(self) -> dict[str, Any] | None:
        """Return what the status page says: the largest cosigned size, by whom, and when."""
        found = self.cosignatures.last()
        return None if found is None else _described(found)

    def _inclusion(self, actor: Actor, seq: int, size: int | None) -> dict[str, Any]:
        note, newest = self._newest()
        size = newest.size if size is None else size
        if not 1 <= seq <= size <= newest.size:
            raise ProofUnavailable(
                f"There is no proof of event {seq} among the first {size}: the newest checkpoint "
                f"covers {newest.size} events. `lmx ledger checkpoint` prints it."
            )
        self.note_read(actor, "proofs")
        with self._proving() as tree:
            proof, root = merkle.inclusion_proof(seq - 1, size, tree), merkle.root_of(size, tree)
        return {
            "seq": seq,
            "index": seq - 1,
            "size": size,
            "root": _base64(root),
            "proof": [_base64(item) for item in proof],
            "checkpoint": str(note) if size == newest.size else None,
        }

    def _consistency(self, actor: Actor, old: int, new: int | None) -> dict[str, Any]:
        note, newest = self._newest()
        new = newest.size if new is None else new
        proof, roots = self._grown(actor, old, new, newest)
        return {
            "old": old,
            "new": new,
            "old_root": _base64(roots[0]),
            "new_root": _base64(roots[1]),
            "proof": [_base64(item) for item in proof],
            "checkpoint": str(note) if new == newest.size else None,
        }

    def _bundle(self, actor: Actor, old: int) -> str:
        note, newest = self._newest()
        proof, _ = self._grown(actor, old, newest.size, newest)
        return str(Bundle(old, tuple(proof), note))

    def _grown(
        self, actor: Actor, old: int, new: int, newest: Checkpoint
    ) -> tuple[list[bytes], tuple[bytes, bytes]]:
        if not 0 <= old <= new <= newest.size:
            raise ProofUnavailable(
                f"There is no proof from {old} to {new} events: the newest checkpoint covers "
                f"{newest.size}. Whoever has seen more than that has seen another history: keep "
                "what they hold as evidence."
            )
        self.note_read(actor, "proofs")
        with self._proving() as tree:
            proof = merkle.consistency_proof(old, new, tree)
            return proof, (merkle.root_of(old, tree), merkle.root_of(new, tree))

    def _cosigned(self, may: Grant, text: str) -> dict[str, Any]:
        require(may, Permission.LEDGER_COSIGN)
        signed = self._own(text)
        found = self._witnessed(signed)
        taken = [(key, time_s, self._record(may, signed, key, time_s)) for key, time_s in found]
        return {
            "size": signed.checkpoint.size,
            "root": _base64(signed.checkpoint.root),
            "witnesses": [
                {**_described(Cosigned(signed.checkpoint.size, str(key), time_s)), "new": new}
                for key, time_s, new in taken
            ],
        }

    def _own(self, text: str) -> SignedCheckpoint:
        """Return the checkpoint once this log's key, its root and its size are as they were."""
        try:
            signed = SignedCheckpoint.parse(text, *self.keys())
        except (NoteInvalid, CheckpointInvalid) as error:
            raise CosignatureRefused(
                f"This is not a checkpoint that this log signed: {error}. Bring back what the "
                "witness made of `lmx ledger checkpoint --since N`."
            ) from error
        offered, (_, newest) = signed.checkpoint, self._newest()
        if not 0 < offered.size <= newest.size:
            raise CosignatureRefused(
                f"This log signed a checkpoint of {offered.size} events and has {newest.size} now. "
                "Unless it was empty then, it was cut: keep the note as evidence and compare with "
                "`lmx ledger verify`."
            )
        with self._proving() as tree:
            root = merkle.root_of(offered.size, tree)
        if root != offered.root:
            raise CosignatureRefused(
                f"This log signed another root for its first {offered.size} events than they have "
                "now: it was rewritten. Keep the note as evidence and run `lmx ledger verify`."
            )
        return signed

    def _witnessed(self, signed: SignedCheckpoint) -> list[tuple[VerifierKey, int]]:
        """Return the configured witnesses that cosigned, and when; refuse where none did."""
        try:
            times = [(key, cosigned_at(signed.note, key)) for key in self.witnesses]
        except NoteInvalid as error:
            raise CosignatureRefused(
                f"{error}. Have the witness cosign the checkpoint again."
            ) from error
        found = [(key, time_s) for key, time_s in times if time_s is not None]
        if not found:
            raise CosignatureRefused(
                "No witness that this server is configured with cosigned this checkpoint. Add its "
                "key (`lmx witness key` prints it) to ledger.witnesses in config.yaml."
            )
        now_s = self.clock.utc_us() // 1_000_000
        early = [key.name for key, time_s in found if time_s > now_s + EARLY_S]
        if early:
            raise CosignatureRefused(
                f"The cosignature of {early[0]} is dated in the future. Compare the clocks of both "
                "machines, then have it cosign again."
            )
        return found

    def _record(self, may: Grant, signed: SignedCheckpoint, key: VerifierKey, time_s: int) -> bool:
        """Store one cosignature with its event; False where it is stored already."""
        checkpoint = signed.checkpoint
        cosigned = Cosigned(checkpoint.size, str(key), time_s)
        event = LedgerEvent(
            Kind.CHECKPOINT_COSIGNED,
            may.actor,
            subject=key.name,
            data={
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "witness": str(key),
                "time_s": time_s,
            },
        )
        try:
            with self.ledger.recording(event) as connection:
                if cosignatures.is_held(connection, cosigned.size, cosigned.witness):
                    raise _HeldAlready
                cosignatures.insert(connection, cosigned, str(_only(signed, key)))
        except _HeldAlready:
            return False
        return True

    def _newest(self) -> tuple[Note, Checkpoint]:
        note = self.ledger.checkpoint()
        if note is None:
            raise ProofUnavailable("The ledger has no signed checkpoint yet. Record something.")
        return note, Checkpoint.parse(note.text)

    @contextmanager
    def _proving(self) -> Iterator[Subtree]:
        try:
            with self.ledger.tree() as tree:
                yield tree
        except NodeMissing as error:
            raise AuditUnavailable(
                f"The database cannot prove anything now: {error}. It was damaged or cut: look "
                "with `lmx ledger verify`, and restore a backup."
            ) from error


def _only(signed: SignedCheckpoint, witness: VerifierKey) -> Note:
    """The note with the log's own signatures and this witness's, and nobody else's."""
    known = (*signed.signed_by, witness)
    kept = (one for one in signed.note.signatures if any(one.is_by(key) for key in known))
    return Note(signed.note.text, tuple(kept))


def _described(found: Cosigned) -> dict[str, Any]:
    key = VerifierKey.parse(found.witness)
    return {"size": found.size, "witness": key.name, "key": str(key), "time_s": found.time_s}


def _base64(item: bytes) -> str:
    return base64.b64encode(item).decode()
