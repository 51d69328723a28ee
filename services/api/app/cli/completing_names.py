"""Names that only the server knows, for completion: asked with little patience, and silently."""

import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.cli.outcomes import CommandError

_PATIENCE_S: Final = 1.0


class Source(NamedTuple):
    """Where names are listed: a path, the list in its answer, and the field that is the name."""

    path: str
    listed: str
    field: str


_MODELS: Final = Source("/authority/models", "models", "id")
_ASKS: Final = Source("/authority/approvals", "asks", "id")
_PROPOSALS: Final = Source("/authority/proposals", "proposals", "id")
_ADVISORS: Final = Source("/authority/advisors", "advisors", "name")

SOURCES: Final[Mapping[tuple[str, ...], Source]] = {
    ("chat",): Source("/v1/models", "data", "id"),
    **{
        ("models", act): _MODELS
        for act in (
            *("show", "fit", "load", "unload", "verify", "rm", "confirm"),
            *("alias", "set", "pin", "unpin", "note"),
        )
    },
    **{
        ("approvals", act): _ASKS
        for act in ("show", "approve", "reject", "veto", "withdraw", "execute", "again")
    },
    **{("advice", act): _PROPOSALS for act in ("show", "accept", "dismiss")},
    **{("advice", act): _ADVISORS for act in ("run", "replay")},
    ("keys", "revoke"): Source("/authority/keys", "keys", "id"),
}
"""By command, what its first argument names."""

FIXED: Final[Mapping[tuple[str, ...], tuple[str, ...]]] = {
    ("completion",): ("bash", "zsh", "fish"),
}


def names_of(command: tuple[str, ...]) -> list[str]:
    """What the first argument of this command may be; nothing where nobody answers."""
    if command in FIXED:
        return list(FIXED[command])
    source = SOURCES.get(command)
    return [] if source is None else _asked(source)


def _asked(source: Source) -> list[str]:
    from app.cli.address import DEFAULT_SERVER
    from app.cli.connection import connected

    url = os.environ.get("LMX_URL") or DEFAULT_SERVER
    try:
        with connected(url, patience_s=_PATIENCE_S) as server:
            answer: Mapping[str, Any] = server.get(source.path)
    except CommandError:
        return []
    found = answer.get(source.listed)
    rows = found if isinstance(found, list) else []
    return [str(row[source.field]) for row in rows if isinstance(row, dict) and source.field in row]
