"""Every advisor there is, by its name: what the child process looks up. A function each.

Whoever runs an advisor imports that one and what it needs, and no other: what one does to the
modules around it is done to itself alone.
"""

from collections.abc import Callable, Mapping
from typing import Final

from app.domain.advice.frames import Advisor


def residency() -> Advisor:
    from app._experimental.residency import RESIDENCY

    return RESIDENCY


def routing() -> Advisor:
    from app._experimental.routing import ROUTING

    return ROUTING


def housekeeping() -> Advisor:
    from app._experimental.housekeeping import HOUSEKEEPING

    return HOUSEKEEPING


def context() -> Advisor:
    from app._experimental.context import CONTEXT

    return CONTEXT


def llm() -> Advisor:
    from app._experimental.llm import LLM

    return LLM


_ALL: Final = (residency, routing, housekeeping, context, llm)

ADVISORS: Final[Mapping[str, Callable[[], Advisor]]] = {one.__name__: one for one in _ALL}
