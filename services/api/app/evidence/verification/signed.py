"""Judges what in the database is signed: checkpoints, cosignatures, and the commits' tags."""

import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.evidence.checkpoints import CheckpointInvalid, cosigned_at
from app.evidence.notes import COSIGNATURE, Note, NoteInvalid, VerifierKey
from app.evidence.verification.findings import Findings, Part
from app.evidence.verification.signatures import budget_for, judged, sampled
from app.evidence.verification.stored import Stored
from app.evidence.verification.trees import Claim

_TAG_LABEL: Final = b"lmx-authority ledger commit tag v1"


def sizes(stored: Stored) -> set[int]:
    """Return all sizes that claims can be of, known before these are judged."""
    return {size for size, _, _ in stored.checkpoints} | {row[1] for row in stored.cosignatures}


def checkpoint_claims(
    stored: Stored, keys: Sequence[VerifierKey], findings: Findings
) -> list[Claim]:
    """Return what the database's checkpoints say; those that cannot be are findings."""
    claims = []
    checked = sampled(len(stored.checkpoints), budget_for(len(stored.checkpoints)))
    beyond = [size for size, _, _ in stored.checkpoints if size > stored.size]
    if beyond:
        findings.add(
            Part.CHECKPOINT,
            beyond[-1],
            f"The database has a checkpoint of {beyond[-1]:,} events, and {stored.size:,} events: "
            "the end of the log was cut off.",
        )
    for place, (size, root, note) in enumerate(stored.checkpoints):
        found = judged(note, keys, size, verify=place in checked)
        name = f"The checkpoint of size {size:,} in the database"
        if found.wrong:
            findings.add(Part.CHECKPOINT, size, f"{name} {found.wrong}.")
        elif found.root != root:
            findings.add(
                Part.CHECKPOINT,
                size,
                f"{name} was changed: its row has another root than its note.",
            )
        elif size <= stored.size:
            claims.append(Claim("the database", size, found.root, signed=found.signed))
    return claims


def cosignature_claims(
    stored: Stored,
    keys: Sequence[VerifierKey],
    witnesses: Sequence[VerifierKey],
    findings: Findings,
    unchecked: list[str],
) -> list[Claim]:
    """Check each cosignature; with the witness's key as it is recorded where none was given."""
    claims, recorded = [], set()
    for number, size, witness, time_s, encoded in stored.cosignatures:
        wrong = ""
        try:
            key = VerifierKey.parse(witness)
            note = Note.parse(encoded)
            if key.type != COSIGNATURE:
                wrong = "names a key that is no witness's"
            elif (at := cosigned_at(note, key)) != time_s:
                wrong = "is of another time" if at else "does not carry the witness's signature"
            found = judged(encoded, keys, size)
            wrong = wrong or found.wrong
        except (NoteInvalid, CheckpointInvalid) as error:
            wrong = f"does not hold: {error}"
            found = None
        if wrong:
            findings.add(
                Part.COSIGNATURE, size, f"Cosignature {number:,}, of size {size:,}, {wrong}."
            )
        elif found is not None and size <= stored.size:
            where = f"the cosignature of {witness.partition('+')[0]}"
            claims.append(Claim(where, size, found.root, signed=found.signed))
            recorded.add(witness)
    given = {str(key) for key in witnesses}
    unchecked += [
        f"The key of the witness {witness.partition('+')[0]} was taken from the database: "
        "compare it with what the witness says, or give it with --key."
        for witness in sorted(recorded - given)
    ]
    return claims


def tag_key(path: Path | None) -> bytes | None:
    """Return what commits are tagged with, None where the signing key cannot be read here."""
    if path is None:
        return None
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(private, Ed25519PrivateKey):
        return None
    return hmac.digest(private.private_bytes_raw(), _TAG_LABEL, "sha256")


def tagged_sizes(stored: Stored) -> list[int]:
    """Which commits' tags are looked at: all, or as many as of signatures."""
    checked = sampled(len(stored.commits), budget_for(len(stored.commits)))
    sizes = [size for place, (size, _) in enumerate(stored.commits) if place in checked]
    return [size for size in sizes if size <= stored.size]


def check_tags(
    stored: Stored, key: bytes, roots: Mapping[int, bytes], within: range, findings: Findings
) -> None:
    """Check the tags of the commits whose size is `within`."""
    for size, tag in stored.commits:
        if size not in within or size not in roots:
            continue
        expected = hmac.digest(key, size.to_bytes(8, "big") + roots[size], "sha256")
        if not hmac.compare_digest(tag, expected):
            findings.add(
                Part.COMMIT, size, f"The commit at event {size:,} does not carry this server's tag."
            )
