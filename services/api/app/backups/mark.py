"""The mark of a restored state: what the next start records. It lies in the state until it did."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from app import files
from app.backups.contents import LEDGER

MARK: Final = f"{LEDGER}/restored.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What the next start records. Sizes are events; `revoked` are ids of keys."""

    name: str
    size: int
    root: str
    manifest: str
    made_us: int
    replaced_size: int | None
    replaced_root: str
    revoked: tuple[str, ...]
    asks: int
    replaced: str

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), indent=1).encode() + b"\n"

    @classmethod
    def decoded(cls, content: bytes) -> Self:
        """Raises ValueError, KeyError or TypeError where it is not one."""
        fields: dict[str, Any] = json.loads(content)
        return cls(**{**fields, "revoked": tuple(fields["revoked"])})


def unrecorded(home: Path) -> Restored | None:
    """The restore that no start has recorded yet; what cannot be read says nothing."""
    try:
        return Restored.decoded(files.read(home / MARK))
    except (OSError, ValueError, KeyError, TypeError):
        return None
