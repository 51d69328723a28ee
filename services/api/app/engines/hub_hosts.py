"""Which hosts a pull may connect to. Pure."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from app.domain.refusals import HubRefused

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Allowed:
    """The endpoint, exactly, and the names of hosts it may send us to, encrypted only."""

    origin: tuple[str, str, int]
    patterns: tuple[str, ...]

    @classmethod
    def of(cls, endpoint: str, patterns: tuple[str, ...]) -> "Allowed":
        parts = urlsplit(endpoint)
        host = (parts.hostname or "").lower()
        return cls((parts.scheme, host, parts.port or _PORTS[parts.scheme]), patterns)

    @property
    def names(self) -> tuple[str, ...]:
        """As people read them, the endpoint first."""
        scheme, host, port = self.origin
        shown = f"[{host}]" if ":" in host else host
        first = shown if port == _PORTS[scheme] else f"{shown}:{port}"
        return (first, *(pattern for pattern in self.patterns if pattern != first))

    def check(self, *, scheme: str, host: str, port: int | None) -> None:
        """Raise HubRefused, which names the host, unless it may be connected to."""
        named = host.lower().strip("[]").rstrip(".")
        reached = port or _PORTS.get(scheme, 0)
        if (scheme, named, reached) == self.origin:
            return
        encrypted = scheme == "https" and reached == _PORTS["https"]
        known = not _is_address(named) and any(_matches(named, p) for p in self.patterns)
        if encrypted and known:
            return
        raise HubRefused(
            f"The hub leads to {scheme}://{named[:200]}:{reached}, which is not among the hosts "
            f"that may be connected to ({', '.join(self.names)}). Nothing was sent there. If you "
            "trust it, add it to hub.hosts in config.yaml.",
            details={"host": named[:200]},
        )


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
