"""The only place that keeps a witness's directory: its key, the logs it trusts and what it saw.

The memory of a log is one file that only grows: a line for every checkpoint that was cosigned,
written to the disk before the cosignature is handed out. A line that a crash cut short was never
handed out; it is dropped.
"""

import base64
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app import files
from app.cli.outcomes import CommandError, ExitCode
from app.cli.witness_evidence import folder_name, keep
from app.evidence.checkpoints import Bundle, Checkpoint, cosigned_at
from app.evidence.notes import COSIGNATURE, ED25519, Note, NoteInvalid, VerifierKey, verifier_key
from app.evidence.witnessing import Remembered, WitnessRefused, cosigned, decide, origin_of

KEY: Final = "key"
LOGS: Final = "logs"
SEEN: Final = "seen"
_PRIVATE: Final = "PRIVATE+KEY+"
"""How Go's note package writes a signing key; nobody but the witness itself reads this file."""


@dataclass(frozen=True, slots=True)
class WitnessHome:
    """An opened directory. Methods may run in several processes: they take turns on a lock."""

    directory: Path
    key: VerifierKey
    private: Ed25519PrivateKey

    @classmethod
    def create(cls, directory: Path, name: str) -> "WitnessHome":
        """Make the directory (0700) and its key (0600); refuse where there is one already."""
        private = Ed25519PrivateKey.generate()
        try:
            key = verifier_key(name, private, COSIGNATURE)
        except NoteInvalid as error:
            raise CommandError(
                f"{error}. A witness's name reads like example.com/alice.", exit_code=ExitCode.USAGE
            ) from error
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_door(directory)
        with _turn(directory):
            if (directory / KEY).exists():
                raise CommandError(
                    f"{directory} holds a witness already: `lmx witness key` prints its key. "
                    "A witness that lost its memory would sign forks, so none is replaced here.",
                    exit_code=ExitCode.REFUSED,
                )
            seed = bytes([COSIGNATURE]) + private.private_bytes_raw()
            line = f"{_PRIVATE}{key.name}+{key.id.hex()}+{base64.b64encode(seed).decode()}\n"
            (directory / SEEN).mkdir(mode=0o700, exist_ok=True)
            files.replace(directory / KEY, line.encode())
        return cls(directory, key, private)

    @classmethod
    def open(cls, directory: Path) -> "WitnessHome":
        if not (directory / KEY).exists():
            raise CommandError(
                f"There is no witness in {directory}. Make one with: lmx witness init NAME",
                exit_code=ExitCode.USAGE,
            )
        _refuse_open_door(directory)
        _refuse_open_door(directory / KEY)
        line = files.read(directory / KEY).decode("utf-8", errors="replace").strip()
        try:
            name, key_id, encoded = line.removeprefix(_PRIVATE).split("+", 2)
            seed = base64.b64decode(encoded, validate=True)
            private = Ed25519PrivateKey.from_private_bytes(seed[1:])
            key = verifier_key(name, private, COSIGNATURE)
        except (ValueError, NoteInvalid) as error:
            raise _damaged(directory / KEY) from error
        if not line.startswith(_PRIVATE) or key.id.hex() != key_id or seed[0] != COSIGNATURE:
            raise _damaged(directory / KEY)
        if not (directory / SEEN).is_dir():
            raise _damaged(directory / SEEN)
        return cls(directory, key, private)

    def trusted(self) -> list[VerifierKey]:
        """Return the keys of the logs that this witness cosigns for, oldest first."""
        path = self.directory / LOGS
        if not path.exists():
            return []
        try:
            lines = files.read(path).decode().splitlines()
            return [VerifierKey.parse(line) for line in lines]
        except (UnicodeError, NoteInvalid) as error:
            raise _damaged(path) from error

    def trust(self, key: VerifierKey) -> bool:
        """Add a log's key; False where it was trusted already."""
        if key.type != ED25519:
            raise CommandError(
                "This is a witness's key, not a log's. A log's operator finds its key with: "
                "lmx ledger key",
                exit_code=ExitCode.USAGE,
            )
        with _turn(self.directory):
            known = self.trusted()
            if key in known:
                return False
            lines = "".join(f"{one}\n" for one in (*known, key))
            files.replace(self.directory / LOGS, lines.encode())
        return True

    def seen(self, origin: str) -> list[Remembered]:
        """Return what was cosigned of one log, oldest first."""
        path = self.directory / SEEN / folder_name(origin)
        if not path.exists():
            return []
        *lines, _cut_short = files.read(path).split(b"\n")
        try:
            found = [_remembered(line) for line in lines]
            if found and cosigned_at(found[-1].note, self.key) != found[-1].time_s:
                raise _damaged(path)
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path) from error
        return found

    def all_seen(self) -> list[Remembered]:
        """Return what was cosigned of every trusted log, log by log."""
        origins = dict.fromkeys(key.name for key in self.trusted())
        return [seen for origin in origins for seen in self.seen(origin)]

    def cosign(self, bundle: Bundle, *, now_s: int) -> Note:
        """Return the cosigned checkpoint once it is remembered durably.

        A WitnessRefused that rests on a remembered checkpoint names, in its message, where both
        notes and the proof are kept.
        """
        with _turn(self.directory):
            origin = origin_of(bundle)
            history = self.seen(origin)
            try:
                offer = decide(bundle, self.trusted(), history)
            except WitnessRefused as refused:
                where = keep(self.directory, bundle, refused, now_s=now_s)
                if where is None:
                    raise
                raise WitnessRefused(
                    refused.reason,
                    f"{refused.message} The evidence is kept in {where}",
                    against=refused.against,
                    proven=refused.proven,
                ) from refused
            if isinstance(offer, Remembered):
                return offer.note
            note = cosigned(offer, self.key, self.private.sign, time_s=now_s)
            line = {"old": bundle.old, "time_s": now_s, "note": str(note)}
            path = self.directory / SEEN / folder_name(origin)
            files.append_line(path, json.dumps(line).encode())
            return note


def _remembered(line: bytes) -> Remembered:
    fields = json.loads(line)
    note = Note.parse(fields["note"])
    checkpoint = Checkpoint.parse(note.text)
    return Remembered(int(fields["old"]), checkpoint, note, int(fields["time_s"]))


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """One process at a time from reading the memory until the new line is on the disk."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _damaged(path: Path) -> CommandError:
    return CommandError(
        f"{path} is not as this witness wrote it. Nothing is cosigned until it is put back: keep a "
        "copy of it as evidence, find out who changed it, and restore it from a backup."
    )


def _refuse_open_door(path: Path) -> None:
    """Raise CommandError where another account could read or change what is here."""
    found = path.lstat()
    if found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode):
        raise CommandError(
            f"{path} is a link or belongs to another account: move it away or choose another one.",
            exit_code=ExitCode.REFUSED,
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise CommandError(
            f"Other accounts can reach {path}. Close it: chmod {mode} {path}",
            exit_code=ExitCode.REFUSED,
        )
