"""Exports for the verifier to look at, and the verifier as what it is: a program of its own."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.cli.export_files import Begun, finish
from app.cli.export_tree import TreeWriter
from app.evidence.checkpoints import Checkpoint, SignedCheckpoint, cosign, signed
from app.evidence.merkle import leaf_hash, root
from app.evidence.notes import COSIGNATURE, Note, VerifierKey, verifier_key
from app.evidence.tiles import WIDTH, bundle

ORIGIN = "lmx-authority/test"
VERIFIER = Path(__file__).parents[2] / "services/verify/verify.py"
LOG, NEXT, WITNESS, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name).digest())
    for name in (b"log", b"next", b"witness", b"stranger")
)
KEY, NEXT_KEY = verifier_key(ORIGIN, LOG), verifier_key(ORIGIN, NEXT)
WITNESS_KEY = verifier_key("witness.example/one", WITNESS, COSIGNATURE)
BLOB = b"a report of what was found\n"


@dataclass(frozen=True)
class Ended:
    code: int
    said: str


def verify(directory: Path, *options: str, program: Path | None = None) -> Ended:
    """Run the export's own verify.py where nothing of this project can be imported."""
    done = subprocess.run(
        [sys.executable, "-I", str(program or directory / "verify.py"), str(directory), *options],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Ended(done.returncode, done.stdout + done.stderr)


def events(size: int, blobs: Iterable[bytes], *, from_seq: int = 1, what: str = "x") -> list[bytes]:
    """Bodies of which the last one records the export itself."""
    digests = sorted(hashlib.sha256(blob).hexdigest() for blob in blobs)
    listed = "".join(f"{digest}\n" for digest in digests).encode()
    data = {"from_seq": from_seq, "blobs_sha256": hashlib.sha256(listed).hexdigest()}
    record = {"seq": size, "kind": "ledger_exported", "data": data}
    bodies: list[dict[str, Any]] = [
        {"seq": seq, "kind": "refusal", "subject": f"{what}-{seq} \u00e9\ue000\U0001f600"}
        for seq in range(1, size)
    ]
    return [rfc8785.dumps(body) for body in [*bodies, record]]


def note_over(bodies: Sequence[bytes], *signers: tuple[VerifierKey, Ed25519PrivateKey]) -> Note:
    found = Checkpoint(ORIGIN, len(bodies), root(leaf_hash(body) for body in bodies))
    return signed(found, *((key, private.sign) for key, private in signers or ((KEY, LOG),)))


def write(
    directory: Path,
    bodies: Sequence[bytes],
    *,
    from_seq: int = 1,
    blobs: Sequence[bytes] = (BLOB,),
    note: Note | None = None,
    keys: Sequence[VerifierKey] = (KEY, WITNESS_KEY),
    further: Sequence[Note] = (),
) -> Path:
    """Write an export of these events with the writer's own parts."""
    directory.mkdir()
    first_bundle = (from_seq - 1) // WIDTH
    logs = [key for key in keys if key.type != COSIGNATURE]
    tree = TreeWriter(directory)
    for at in range(0, len(bodies), WIDTH):
        chunk = bodies[at : at + WIDTH]
        if at // WIDTH < first_bundle:
            tree.take_leaves(b"".join(leaf_hash(body) for body in chunk))
        else:
            tree.take_bundle(bundle(chunk))
    tree.finish()
    held = note or note_over(bodies)
    digests = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    (directory / "blobs").mkdir()
    for digest, blob in zip(digests, blobs, strict=True):
        (directory / "blobs" / digest).write_bytes(blob)
    begun = Begun(
        event=len(bodies),
        from_seq=from_seq,
        first_bundle=first_bundle,
        checkpoint=SignedCheckpoint.parse(str(held), *logs),
        note=str(held),
        keys=tuple(map(str, keys)),
        further={str(more): SignedCheckpoint.parse(str(more), *logs) for more in further},
        blobs=tuple(digests),
    )
    finish(directory, begun, tree, None)
    return directory


@cache
def usual_events() -> tuple[bytes, ...]:
    return tuple(events(600, [BLOB]))


def cosigned_note(size: int = 300) -> Note:
    note = note_over(usual_events()[:size])
    return note.add(cosign(note, WITNESS_KEY, WITNESS.sign, time_s=1_800_000_000))


def usual(directory: Path) -> Path:
    """600 events: three bundles, four tiles, one piece of evidence, one cosigned checkpoint."""
    return write(directory, usual_events(), further=[cosigned_note()])


def relist(directory: Path) -> None:
    """What an attacker who edits files does next: make the manifest fit again."""
    path = directory / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((directory / name).read_bytes()).hexdigest()
    path.write_bytes(rfc8785.dumps(manifest))


def change_manifest(directory: Path, **changes: Any) -> None:
    path = directory / "manifest.json"
    path.write_bytes(rfc8785.dumps(json.loads(path.read_bytes()) | changes))


def flip(file: Path, at: int = -1) -> None:
    """Change one bit of one byte."""
    found = bytearray(file.read_bytes())
    found[at] ^= 1
    file.write_bytes(found)


def copy(made: Path, to: Path) -> Path:
    return Path(shutil.copytree(made, to))
