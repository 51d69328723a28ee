"""Which request the work at hand belongs to: bound at the edge, read by every line of the log.

Tasks and threads that a request starts inherit its context, and some outlive it: a worker's reader
is started by whoever asked first. So a request is over when the edge says so, and from then on no
line names it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final


@dataclass(slots=True, eq=False)
class Asked:
    """One request, as lines of the log name it."""

    id: str
    over: bool = False


_NOW: Final[ContextVar[Asked | None]] = ContextVar("lmx_request", default=None)


@contextmanager
def within_request(request_id: str) -> Iterator[None]:
    """Lines that are written by what runs in here, threads and tasks included, name the request."""
    asked = Asked(request_id)
    before = _NOW.set(asked)
    try:
        yield
    finally:
        asked.over = True
        _NOW.reset(before)


def with_request_id(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor. An id that the line itself says stands."""
    asked = _NOW.get()
    if asked is not None and not asked.over:
        event.setdefault("request_id", asked.id)
    return event
