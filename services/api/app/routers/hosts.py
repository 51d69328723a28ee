"""The only place that judges `Host` and `Origin`: loopback names and `allowed_hosts`, no CORS."""

import re
from collections.abc import Iterable, Sequence

from app.domain.refusals import HostNotAllowed, OriginNotAllowed

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")


def accepted_host(values: Sequence[str], *, allowed_hosts: Iterable[str]) -> str:
    """The one `Host` of a request, lower case, or HostNotAllowed.

    A page that rebinds its own name to 127.0.0.1 still sends its own name here.
    """
    host = values[0].strip().lower() if len(values) == 1 else ""
    found = _HOST.fullmatch(host)
    allowed = {entry.lower() for entry in allowed_hosts}
    if found and (found["name"] in LOOPBACK_NAMES | allowed or host in allowed):
        return host
    raise HostNotAllowed(
        "This server answers to 127.0.0.1 and localhost only. If a reverse proxy or tunnel on "
        "this machine forwards another name, add that name to allowed_hosts in config.yaml."
    )


def check_origin(
    origins: Sequence[str], *, host: str, fetch_site: str | None, fetch_mode: str | None
) -> None:
    """Refuse what a page of another origin makes a browser send.

    Programs send no `Origin`. A page served by this server sends its own. `Sec-Fetch-Site` covers
    images and scripts, which carry no `Origin`; following a link to this server stays possible.
    """
    if origins:
        if len(origins) == 1 and _authority(origins[0]) == host:
            return
        raise _foreign()
    if fetch_site in ("cross-site", "same-site") and fetch_mode != "navigate":
        raise _foreign()


def _authority(origin: str) -> str | None:
    scheme, separator, authority = origin.strip().lower().partition("://")
    return authority if separator and scheme in ("http", "https") else None


def _foreign() -> OriginNotAllowed:
    return OriginNotAllowed(
        "Web pages of another origin may not use this server. Call it from a program on this "
        "machine, or from a page that this server itself serves."
    )
