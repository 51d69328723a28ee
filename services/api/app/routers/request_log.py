"""One line of the log for each finished request: who, which route, how it ended, how long it took.

Requests that went well are lines at level debug: a line costs more than the authority's own work on
an answer. What was refused, failed or took long is one at info, at most `LINES_A_MINUTE`: a flood
of refusals must not push everything else out of the files that are kept. Metrics count them all.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from app.routers.measuring.ended import Ended

log = logging.getLogger(__name__)

SLOW_S: Final = 60.0
LINES_A_MINUTE: Final = 120
REFUSED_FROM: Final = 400
_MINUTE_S: Final = 60.0


class RequestLog:
    """One per server, on its event loop."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._since = -_MINUTE_S
        self._lines = 0
        self._unsaid = 0

    def ended(self, ended: Ended, state: Mapping[str, Any]) -> None:
        """`state`: what the request's own layers left: `actor`, and the `code` of a refusal."""
        code = state.get("code")
        grave = ended.status >= REFUSED_FROM or code is not None or ended.seconds >= SLOW_S
        level = logging.INFO if grave else logging.DEBUG
        if not log.isEnabledFor(level) or (grave and not self._within_bounds()):
            return
        said = {
            "method": ended.method,
            "route": ended.route,
            "status": ended.status,
            "ms": round(ended.seconds * 1000),
            "actor": getattr(state.get("actor"), "id", None),
            "code": code,
            "unsaid": self._unsaid or None,
        }
        self._unsaid = 0
        log.log(level, "request", extra={k: v for k, v in said.items() if v is not None})

    def _within_bounds(self) -> bool:
        now = self._monotonic()
        if now - self._since >= _MINUTE_S:
            self._since, self._lines = now, 0
        self._lines += 1
        if self._lines <= LINES_A_MINUTE:
            return True
        self._unsaid += 1
        return False
