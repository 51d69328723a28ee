"""Models as the authority knows them: artifacts, manifests and how far they are trusted."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

ALIAS: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"
"""How an alias of a model is written. No slash: it never hides a model's id."""


class Trust(StrEnum):
    """How much is known about a model's bytes (architecture, section 1)."""

    VERIFIED = "verified"
    PINNED = "pinned"
    QUARANTINED = "quarantined"

    @property
    def loadable(self) -> bool:
        return self in (Trust.VERIFIED, Trust.PINNED)


@dataclass(frozen=True, slots=True, order=True)
class Artifact:
    """A file of a model: its path inside the model (POSIX), size in bytes and SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Everything a model revision consists of, sorted by path."""

    artifacts: tuple[Artifact, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the canonical JSON list of ``[path, size, sha256]`` rows."""
        rows = [[a.path, a.size, a.sha256] for a in sorted(self.artifacts)]
        body = json.dumps(rows, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(body.encode()).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(a.size for a in self.artifacts)


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A model the catalog knows. `id` is ``publisher/name``; `created` is Unix seconds.

    `pinned` and `note` are what people say of it. `licence` is what its author says (empty: nothing
    that is known), in lower case.
    """

    id: str
    digest: str
    trust: Trust
    size_bytes: int
    architecture: str
    max_context: int
    created: int
    source: str
    pinned: bool = False
    note: str = ""
    licence: str = ""
