"""`lmx ledger checkpoint`, `cosigned` and `key`: what outsiders and witnesses check the log with.

`verified_inclusion` is the only place where the command line decides whether an event is in a log.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import carried, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, utc_seconds

if TYPE_CHECKING:
    from app.cli.connection import Server
    from app.evidence.notes import VerifierKey

_BASE = "/authority/ledger"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an event is under a checkpoint. `why` says what does not hold; `size` and `root` are
    those of the checkpoint, `signed_by` the names of the keys that vouch for it."""

    holds: bool
    why: str
    size: int = 0
    root: str = ""
    signed_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.holds:
            return f"NOT PROVEN: {one_line(self.why)}"
        return f"in the {self.size} events that {one_line(self.signed_by)} signed for"


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A server's proof for one event, and what was found of it here."""

    proof: Mapping[str, Any]
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.verdict), "proof": self.proof}


def proven_inclusion(authority: "Server", seq: int, leaf: bytes) -> Inclusion:
    """Ask for the proof of event `seq` and judge it, by the keys that the server names.

    They say that the log agrees with itself; whoever holds its key from elsewhere compares it with
    `lmx ledger key`.
    """
    proof = authority.get(f"{_BASE}/proofs/inclusion", seq=seq)
    return Inclusion(proof, verified_inclusion(seq, leaf, proof, _log_keys(authority)))


def verified_inclusion(
    seq: int, leaf: bytes, proof: Mapping[str, Any], keys: "Sequence[VerifierKey]"
) -> Verdict:
    """Judge the answer of /proofs/inclusion for event `seq`, whose leaf hash was recomputed here.

    `keys` are the log's, from wherever the caller trusts them. Nothing of the answer is believed
    but the note, and that only as far as its signature goes.
    """
    from app.evidence.checkpoints import CheckpointInvalid, SignedCheckpoint
    from app.evidence.merkle import ProofInvalid, verify_inclusion
    from app.evidence.notes import NoteInvalid

    try:
        hashes = [base64.b64decode(item, validate=True) for item in proof["proof"]]
        signed = SignedCheckpoint.parse(str(proof["checkpoint"]), *keys)
        held = signed.checkpoint
        verify_inclusion(leaf, seq - 1, held.size, hashes, held.root)
    except (NoteInvalid, CheckpointInvalid) as error:
        return Verdict(False, f"the checkpoint does not hold: {error}")
    except ProofInvalid as error:
        return Verdict(False, f"the event is not under the checkpoint: {error}")
    except (KeyError, TypeError, ValueError) as error:
        return Verdict(False, f"the proof cannot be read: {one_line(error)}")
    names = tuple(key.name for key in signed.signed_by)
    return Verdict(True, "", held.size, held.root.hex(), names)


def checkpoint(
    *,
    since: Annotated[
        int | None,
        typer.Option(
            "--since", metavar="N", min=0, help="For a witness that has seen N events; 0: none."
        ),
    ] = None,
    out: carried.Out = None,
    server: ServerUrl = SERVER,
) -> None:
    """Print the newest signed checkpoint.

    With --since: the bundle for a witness, which is the checkpoint and the proof that the log only
    grew since the witness last cosigned.
    """
    from app.cli.connection import connected

    with connected(server) as authority:
        if since is None:
            pieces = authority.pieces(f"{_BASE}/checkpoint")
        else:
            pieces = authority.pieces(f"{_BASE}/checkpoint/bundle", old=since)
        text = b"".join(pieces)
    carried.hand_out(_checked(text, bundle=since is not None), out)


def cosigned(file: carried.Taken, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Bring a cosigned checkpoint back.

    FILE is what `lmx witness cosign` made.
    """
    from app.cli.connection import connected, rows
    from app.evidence.notes import Note, NoteInvalid

    try:
        note = Note.parse(carried.taken(file))
    except NoteInvalid as error:
        raise CommandError(
            f"{one_line(file)} is no cosigned checkpoint: {error}.", exit_code=ExitCode.USAGE
        ) from error
    with connected(server) as authority:
        answer = authority.post(f"{_BASE}/cosignatures", {"note": str(note)})
    if as_json:
        output.as_json(answer)
        return
    for witness in rows(answer, "witnesses"):
        how = "recorded" if witness.get("new") else "was recorded before"
        output.say(
            f"{one_line(witness.get('witness'))} cosigned {one_line(answer.get('size'))} events at "
            f"{utc_seconds(witness.get('time_s'))}: {how}."
        )


def key(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Print the log's verifier keys.

    Oldest first, for `lmx witness trust` and for auditors.
    """
    from app.cli.connection import connected

    with connected(server) as authority:
        found = _log_keys(authority)
    if as_json:
        output.as_json({"keys": [{"key": str(k), "fingerprint": k.fingerprint} for k in found]})
        return
    for one in found:
        output.note(f"Fingerprint: {one.fingerprint}")
        output.exactly(f"{one}\n")


def _log_keys(authority: "Server") -> "list[VerifierKey]":
    from app.evidence.notes import NoteInvalid, VerifierKey

    answer = authority.get(f"{_BASE}/keys")
    try:
        return [VerifierKey.parse(str(line)) for line in answer["keys"]]
    except (KeyError, TypeError, NoteInvalid) as error:
        raise CommandError(f"The server's keys cannot be read: {one_line(error)}.") from error


def _checked(text: bytes, *, bundle: bool) -> str:
    """A server of another kind may answer anything; only what reads as it should is handed on."""
    from app.evidence.checkpoints import Bundle, Checkpoint, CheckpointInvalid
    from app.evidence.notes import Note, NoteInvalid

    try:
        found = Bundle.parse(text) if bundle else Note.parse(text)
        Checkpoint.parse(found.note.text if isinstance(found, Bundle) else found.text)
    except (NoteInvalid, CheckpointInvalid) as error:
        raise CommandError(f"The server answered with something else: {error}.") from error
    return str(found)
