"""What a backup is made of. Pure: names, and the manifest as a value and as bytes.

A backup is a directory: the files below, `manifest.json`, which names each with its size and
SHA-256, and `manifest.sha256`, the manifest's own digest in the form that `sha256sum -c` reads.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar

_T = TypeVar("_T")

FORMAT: Final = 1
"""Raised when an older release could not restore what a newer one writes."""

DATABASE: Final = "lmx.db"
MANIFEST: Final = "manifest.json"
CHECKSUM: Final = "manifest.sha256"
LEDGER: Final = "ledger"
UPGRADING: Final = (
    "run/upgrading.json",
    *(f"{DATABASE}.upgrading{end}" for end in ("-wal", "-shm", "-journal", "")),
)
"""What an upgrade that was cut off leaves: of the database that is there, and of no other."""
MEMORY: Final = f"{LEDGER}/signer"
SIGNING: Final = (
    f"{LEDGER}/signing.key",
    f"{LEDGER}/signing.key.next",
    f"{LEDGER}/keys",
    MEMORY,
)
"""The signer's files: copied before the database, so that the copy has all that they remember.

The ledger's copy outside the database (`events.jsonl`) and the reserve are left out: a server makes
both again from what is here, and records that it did.
"""
SETTINGS: Final = ("config.yaml", "routing.yaml", "models.yaml", "guardrails.yaml", "operator.key")
SIGNERS: Final = "signers"
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-f]{0,64}")
_MOST: Final = 2**53 - 1
_LATEST_US: Final = 253_402_300_799_999_999
"""The end of the year 9999: what can be said as a date."""


class ManifestInvalid(ValueError):
    """Continues "The manifest ...": why it cannot be used."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of the backup. `path` is relative, with /; `size` in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalog; its bytes are not in the backup."""

    id: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the backup says of itself.

    `size` and `root` are what the signer had signed when the backup was begun; `events` may be
    more. `made_us`: UTC in microseconds. `origin` is the log's name, empty before there was one.
    """

    name: str
    release: str
    schema: str
    origin: str
    made_us: int
    size: int
    root: str
    events: int
    files: tuple[File, ...]
    models: tuple[Model, ...]
    format: int = FORMAT

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes) -> Self:
        """Raises ManifestInvalid, also for a format that this release does not know."""
        try:
            fields = json.loads(content)
            found = fields["format"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ManifestInvalid("is damaged: it is not what a backup's manifest is") from None
        if found != FORMAT:
            raise ManifestInvalid(
                f"has the format {found!r:.20}, and this release knows {FORMAT}: a newer release "
                "made it. Use that release"
            )
        try:
            manifest = cls(**_typed(fields))
        except (KeyError, TypeError, ValueError):
            raise ManifestInvalid("is damaged: a part of it is missing or wrong") from None
        if manifest.encoded() != content:
            raise ManifestInvalid("is damaged: it is not written as a backup's manifest is")
        return manifest


def moment(time_us: int) -> str:
    """Microseconds since 1970 as they stand in a name: UTC, to the second."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def checksum_line(manifest: bytes) -> bytes:
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def belongs(path: str) -> bool:
    """Whether a backup has a file of this name. Pure.

    No other is ever put back: a write-ahead log would make another database of the one that was
    verified, and a note of an upgrade would have one recorded that never was.
    """
    folder, _, name = path.rpartition("/")
    plain = name not in ("", ".", "..") and "\x00" not in name
    return path in (DATABASE, *SIGNING, *SETTINGS) or (folder == SIGNERS and plain)


def _typed(fields: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("name", "release", "schema", "origin", "root")
    numbers = ("format", "made_us", "size", "events")
    found: dict[str, Any] = {name: _of(str, fields[name]) for name in texts}
    found |= {name: _of(int, fields[name]) for name in numbers}
    if fields.keys() - found.keys() != {"files", "models"}:
        raise ValueError("fields that are not known")
    found["files"] = tuple(
        File(_of(str, row["path"]), _of(int, row["size"]), _of(str, row["sha256"]))
        for row in _of(list, fields["files"])
    )
    found["models"] = tuple(
        Model(_of(str, row["id"]), _of(str, row["digest"]), _of(int, row["size_bytes"]))
        for row in _of(list, fields["models"])
    )
    paths = [file.path for file in found["files"]]
    if len(set(paths)) < len(paths) or not all(map(belongs, paths)):
        raise ValueError("a file that no backup has")
    sizes = [found[name] for name in numbers] + [file.size for file in found["files"]]
    if not all(0 <= size <= _MOST for size in sizes) or found["made_us"] > _LATEST_US:
        raise ValueError("a number that cannot be")
    if not _NAME.fullmatch(found["name"]) or not _HEX.fullmatch(found["root"]):
        raise ValueError("a name or a root that cannot be")
    return found


def _of(kind: type[_T], value: Any) -> _T:
    if type(value) is not kind:
        raise ValueError(f"not {kind.__name__}")
    return value
