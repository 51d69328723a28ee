"""What is verified, and with what: where a ledger's parts lie, and which keys are trusted."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.evidence.checkpoints import Bundle, CheckpointInvalid
from app.evidence.notes import COSIGNATURE, ED25519, Note, NoteInvalid, VerifierKey

_KEY_FIELDS: Final = ("key", "old", "new")


class TargetInvalid(Exception):
    """Something that was named cannot be used to verify with; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint that somebody kept elsewhere."""

    name: str
    note: Note


@dataclass(frozen=True, slots=True)
class Target:
    """A database and what lies outside of it. `keys`: the log's and, type 0x04, witnesses'.

    `keys_from` says where the keys came from, empty where none were given. `live`: a server may be
    writing to it at this moment.
    """

    database: Path
    sinks: tuple[Path, ...] = ()
    memory: Path | None = None
    held: tuple[Held, ...] = ()
    keys: tuple[VerifierKey, ...] = ()
    keys_from: str = ""
    signing_key: Path | None = None
    unchecked: tuple[str, ...] = field(default=())


def of_home(
    home: Path,
    *,
    sinks: Iterable[Path] = (),
    held: Iterable[Held] = (),
    keys: Sequence[VerifierKey] = (),
) -> Target:
    """Return everything of this machine's ledger that lies where the server puts it."""
    folder = home / "ledger"
    own = folder / "events.jsonl"
    found = (own, *sinks)
    memory = folder / "signer"
    trusted, source = _keys(folder / "keys", keys)
    return Target(
        database=home / "lmx.db",
        sinks=found,
        memory=memory,
        held=tuple(held),
        keys=trusted,
        keys_from=source,
        signing_key=folder / "signing.key",
    )


def of_copy(
    database: Path,
    *,
    sinks: Iterable[Path] = (),
    memory: Path | None = None,
    held: Iterable[Held] = (),
    keys: Sequence[VerifierKey] = (),
) -> Target:
    """Return a copied database and what was given with it."""
    trusted, source = _keys(database.parent / "ledger/keys", keys)
    found = tuple(sinks)
    unchecked = []
    if not found:
        unchecked.append("No sink was given: the events were compared with no copy outside.")
    if memory is None:
        unchecked.append("No signer's memory was given: it could know of later events.")
    return Target(database, found, memory, tuple(held), trusted, source, None, tuple(unchecked))


def held_in(path: Path) -> Held:
    """Read a note, or the bundle that a witness is given; raises TargetInvalid."""
    try:
        content = path.read_bytes()
        note = Bundle.parse(content).note if content.startswith(b"old ") else Note.parse(content)
    except OSError as error:
        raise TargetInvalid(f"{path} cannot be read: {error.strerror}.") from error
    except (NoteInvalid, CheckpointInvalid) as error:
        raise TargetInvalid(f"{path} holds no checkpoint: {error}.") from error
    return Held(str(path), note)


def keys_in(text: str) -> tuple[VerifierKey, ...]:
    """Read one verifier key a line; raises NoteInvalid."""
    return tuple(VerifierKey.parse(line) for line in text.splitlines() if line.strip())


def keys_in_log(bodies: Iterable[bytes]) -> tuple[VerifierKey, ...]:
    """Return the keys that the log itself names in the events about its signing keys."""
    found: dict[str, VerifierKey] = {}
    for body in bodies:
        try:
            data = json.loads(body)["data"]
            for name in _KEY_FIELDS:
                if name in data:
                    found.setdefault(data[name], VerifierKey.parse(data[name]))
        except (ValueError, KeyError, TypeError):
            continue  # judged with the other events
    return tuple(found.values())


def of_log(keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    return tuple(key for key in keys if key.type == ED25519)


def of_witnesses(keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    return tuple(key for key in keys if key.type == COSIGNATURE)


def _keys(path: Path, given: Sequence[VerifierKey]) -> tuple[tuple[VerifierKey, ...], str]:
    """Those of the command line are trusted alone; else the file beside the database."""
    if of_log(given):
        return tuple(given), "the keys given"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return tuple(given), ""
    try:
        return (*keys_in(text), *given), str(path)
    except NoteInvalid as error:
        raise TargetInvalid(
            f"{path} does not hold verifier keys: {error}. Restore it, or give the key: --key VKEY"
        ) from error
