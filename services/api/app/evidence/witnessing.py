"""The only place that decides what a witness cosigns (c2sp.org/tlog-witness, add-checkpoint). Pure.

A witness vouches for one thing: that it has seen a log only ever grow. So it remembers every
checkpoint that it cosigned, and whatever contradicts one of them is refused and worth keeping.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.evidence.checkpoints import (
    Bundle,
    Checkpoint,
    CheckpointInvalid,
    SignedCheckpoint,
    cosign,
)
from app.evidence.merkle import (
    EMPTY_ROOT,
    ProofInvalid,
    implied_old_root,
    verify_consistency,
)
from app.evidence.notes import Note, NoteInvalid, Signing, VerifierKey


class Reason(StrEnum):
    """Why nothing was cosigned; tlog-witness gives each an HTTP status."""

    UNKNOWN_LOG = "unknown_log"  # 404
    NOT_SIGNED = "not_signed"  # 403
    MALFORMED = "malformed"  # 400
    OTHER_OLD_SIZE = "other_old_size"  # 409
    NOT_PROVEN = "not_proven"  # 422
    FORK = "fork"  # 422
    ROLLBACK = "rollback"  # 409 or 400


@dataclass(frozen=True, slots=True)
class Remembered:
    """A checkpoint that this witness cosigned, and the old size of the bundle it came in.

    `note` carries the log's signatures that were verified and the witness's own.
    """

    old: int
    checkpoint: Checkpoint
    note: Note
    time_s: int


class WitnessRefused(Exception):
    """Nothing was cosigned. `against`: what was remembered and must be kept beside the offer.

    `proven` says whether the two notes and the proof show by themselves that the log has two
    histories; without it, they are kept because only the log can say how they fit together.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        against: Remembered | None = None,
        proven: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.against = against
        self.proven = proven


def origin_of(bundle: Bundle) -> str:
    """Return the log that the bundle says it is about; nothing is verified yet."""
    return _read(bundle).origin


def decide(
    bundle: Bundle, keys: Iterable[VerifierKey], history: Sequence[Remembered]
) -> SignedCheckpoint | Remembered:
    """Return what may be cosigned now, or the answer that this very bundle had before.

    `keys` are those trusted for the bundle's log, `history` what was cosigned of it, oldest first.
    Raise WitnessRefused in every other case.
    """
    offer = _verified(bundle, tuple(keys))
    offered = offer.checkpoint
    last = history[-1] if history else None
    seen = last.checkpoint.size if last else 0
    _refuse_forks(bundle, offered, history)
    if last and bundle.old != seen and (last.old, last.checkpoint) == (bundle.old, offered):
        return last  # it was cosigned and the answer got lost on its way
    _refuse_rollback(offered, history)
    if bundle.old > offered.size:
        raise WitnessRefused(
            Reason.MALFORMED,
            f"The bundle leads from {bundle.old} events back to {offered.size}. "
            + _what_to_make(seen),
        )
    if bundle.old != seen:
        raise WitnessRefused(
            Reason.OTHER_OLD_SIZE,
            f"This witness has seen {seen} events of {offered.origin}; the bundle is for one that "
            f"has seen {bundle.old}. {_what_to_make(seen)}",
        )
    _refuse_unproven(bundle, offered, last)
    return offer


def cosigned(offer: SignedCheckpoint, key: VerifierKey, signing: Signing, *, time_s: int) -> Note:
    """Return the checkpoint with the signatures that were verified and the witness's own."""
    vouching = tuple(
        signature
        for signature in offer.note.signatures
        if any(signature.is_by(key) for key in offer.signed_by)
    )
    note = Note(offer.note.text, vouching)
    return note.add(cosign(note, key, signing, time_s=time_s))


def _read(bundle: Bundle) -> Checkpoint:
    try:
        return Checkpoint.parse(bundle.note.text)
    except CheckpointInvalid as error:
        raise WitnessRefused(Reason.MALFORMED, f"This is no checkpoint: {error}.") from error


def _verified(bundle: Bundle, keys: tuple[VerifierKey, ...]) -> SignedCheckpoint:
    origin = _read(bundle).origin
    own = tuple(key for key in keys if key.name == origin)
    if not own:
        raise WitnessRefused(
            Reason.UNKNOWN_LOG,
            f"This witness trusts no log named {origin}. If it should, add the log's key, as its "
            "operator reads it to you: lmx witness trust VKEY",
        )
    try:
        return SignedCheckpoint.parse(str(bundle.note), *own)
    except (NoteInvalid, CheckpointInvalid) as error:
        raise WitnessRefused(
            Reason.NOT_SIGNED, f"No trusted key of {origin} signed this checkpoint: {error}."
        ) from error


def _refuse_forks(bundle: Bundle, offered: Checkpoint, history: Sequence[Remembered]) -> None:
    """Refuse what shows, with one remembered note beside it, that the log has two histories."""
    implied = implied_old_root(bundle.old, offered.size, offered.root, bundle.proof)
    for known in history:
        size, root = known.checkpoint.size, known.checkpoint.root
        if size == offered.size and root != offered.root:
            raise WitnessRefused(
                Reason.FORK,
                f"FORK: {offered.origin} has signed two different logs of {size} events. This "
                "witness cosigned the other one. Show both notes to whoever relies on this log.",
                against=known,
                proven=True,
            )
        if size == bundle.old and implied not in (None, root):
            raise WitnessRefused(
                Reason.FORK,
                f"FORK: the first {size} events of the offered log are not those that this witness "
                f"cosigned. {offered.origin} was rewritten or has two histories. Show both notes "
                "and the proof to whoever relies on this log.",
                against=known,
                proven=True,
            )


def _refuse_rollback(offered: Checkpoint, history: Sequence[Remembered]) -> None:
    """Refuse an older checkpoint that was never shown here: it may be the tip of another history.

    One that was shown, with the same root, is only an old one: the sizes are answered further on.
    """
    if any(known.checkpoint.size == offered.size for known in history):
        return
    above = next((known for known in history if known.checkpoint.size > offered.size), None)
    if above is not None and offered.size > 0:
        raise WitnessRefused(
            Reason.ROLLBACK,
            f"This checkpoint of {offered.origin} has {offered.size} events, and this witness has "
            f"seen {history[-1].checkpoint.size}; it was never shown the smaller one. A restored "
            "backup looks like this. Ask the log's operator for the proof from one to the other.",
            against=above,
        )


def _refuse_unproven(bundle: Bundle, offered: Checkpoint, last: Remembered | None) -> None:
    old_root = last.checkpoint.root if last else EMPTY_ROOT
    try:
        if offered.size == 0 and offered.root != EMPTY_ROOT:
            raise ProofInvalid("this is not the root of an empty tree")
        verify_consistency(bundle.old, old_root, offered.size, offered.root, bundle.proof)
    except ProofInvalid as error:
        raise WitnessRefused(
            Reason.NOT_PROVEN,
            f"It is not proven that {offered.origin} only grew from {bundle.old} to "
            f"{offered.size} events: {error}. {_what_to_make(bundle.old)} If that is refused too, "
            "the log was rewritten: show both notes to whoever relies on it.",
            against=last,
        ) from error


def _what_to_make(seen: int) -> str:
    return f"Make the bundle on the server with: lmx ledger checkpoint --since {seen}"
