"""How long a client is waited for: decided here, for one connection as it looks now."""

from dataclasses import dataclass
from enum import Enum

IDLE_S = 120.0
"""Longer than the pools of clients keep an idle connection (Go's for 90 s): a request that meets
the server's close is lost, and a POST is not sent again by itself."""

SLOWEST_BODY_BYTES_PER_S = 1024
"""A body may take as long as it would at this pace, and the patience for one that stalls."""

LINGER_S = 2.0
"""What a client still sends after a last word is read for so long, else it might lose that word."""


@dataclass(frozen=True, slots=True)
class Patience:
    """What is waited for, in seconds, and how many connections are held at once."""

    header_s: float
    body_s: float
    read_s: float
    idle_s: float
    connections: int


class Awaits(Enum):
    """What a connection is waiting for, from the client or from us."""

    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "an answer of ours"
    NEXT = "a next request"
    END = "the client's end, after our last word"


class Verdict(Enum):
    """`CUT`: its unsent bytes are thrown away. `TOLD`: it hears that it was too slow."""

    WAIT = 0
    TOLD = 1
    CLOSE = 2
    CUT = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection. `for_s`: how long it has awaited that. `quiet_s`: since the last byte of the
    body. `unread_s`: how long bytes of ours have waited without one of them leaving."""

    awaits: Awaits
    for_s: float
    quiet_s: float = 0.0
    unread_s: float = 0.0
    body_bytes: int = 0
    said_something: bool = True


def judged(seen: Seen, patience: Patience) -> Verdict:
    """What happens to a connection now."""
    if seen.unread_s > patience.read_s:
        return Verdict.CUT
    match seen.awaits:
        case Awaits.HEAD if seen.for_s > patience.header_s:
            return Verdict.TOLD if seen.said_something else Verdict.CLOSE
        case Awaits.BODY if seen.quiet_s > patience.body_s or seen.for_s > _body_s(seen, patience):
            return Verdict.TOLD
        case Awaits.NEXT if seen.for_s > patience.idle_s:
            return Verdict.CLOSE
        case Awaits.END if seen.for_s > LINGER_S:
            return Verdict.CUT
        case _:
            return Verdict.WAIT


def _body_s(seen: Seen, patience: Patience) -> float:
    return patience.body_s + seen.body_bytes / SLOWEST_BODY_BYTES_PER_S


_YIELDS = (Awaits.END, Awaits.HEAD, Awaits.NEXT, Awaits.BODY)
"""Who makes room for a newcomer first. Nobody who waits for an answer does."""

YIELDS_AFTER_S = 1.0


def place_in_yielding(seen: Seen) -> tuple[int, float] | None:
    """Sorts those who would make room, the first to go first; None: it does not."""
    if seen.awaits not in _YIELDS or seen.for_s < YIELDS_AFTER_S:
        return None
    return _YIELDS.index(seen.awaits), -seen.for_s


RESERVED = ("/authority", "/healthz", "/readyz", "/metrics", "/api/v1/models/unload")
"""Routes that are answered also where no further connection is held for others."""

RESERVED_CONNECTIONS = 64
FILES_BESIDE_CONNECTIONS = 256
"""Files that the server itself keeps open: the database, the ledger's sinks, the workers' pipes."""


def is_reserved(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in RESERVED)


def most_connections(asked: int, open_files: int) -> int:
    """As many as the settings say, and the limit of open files has room for."""
    room = open_files - FILES_BESIDE_CONNECTIONS - RESERVED_CONNECTIONS
    return max(16, min(asked, room))
