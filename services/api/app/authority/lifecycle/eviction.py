"""Which idle models make room for another. Pure: decides, never acts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.authority.feasibility import BUDGET_PERCENT


@dataclass(frozen=True, slots=True)
class Resident:
    """What eviction needs to know of a ready model. `in_flight` counts running and waiting work."""

    model_id: str
    last_used: float
    in_flight: int
    pinned: bool
    resident_bytes: int
    promised_bytes: int

    @property
    def evictable(self) -> bool:
        return self.in_flight == 0 and not self.pinned

    @property
    def frees_bytes(self) -> int:
        """How much the budget grows when this model goes.

        Its resident bytes become available, of which the budget takes its share, and what it was
        promised but had not taken is no longer held back.
        """
        untaken = max(0, self.promised_bytes - self.resident_bytes)
        return self.resident_bytes * BUDGET_PERCENT // 100 + untaken


@dataclass(frozen=True, slots=True)
class Eviction:
    """Models to unload, least recently used first, and what that frees."""

    model_ids: tuple[str, ...]
    frees_bytes: int


def choose_evictions(shortfall_bytes: int, residents: Sequence[Resident]) -> Eviction | None:
    """The least recently used idle models that together free `shortfall_bytes`, and no more.

    Returns None when pinned and busy models leave too little. After the least recently used have
    been collected, those that turn out not to be needed are spared, most recently used first.
    """
    candidates = sorted(
        (r for r in residents if r.evictable), key=lambda r: (r.last_used, r.model_id)
    )
    chosen: list[Resident] = []
    freed = 0
    for resident in candidates:
        if freed >= shortfall_bytes:
            break
        chosen.append(resident)
        freed += resident.frees_bytes
    if freed < shortfall_bytes:
        return None
    for resident in reversed(tuple(chosen)):
        if freed - resident.frees_bytes >= shortfall_bytes:
            chosen.remove(resident)
            freed -= resident.frees_bytes
    return Eviction(tuple(r.model_id for r in chosen), freed)


def idle_too_long(
    residents: Sequence[Resident], *, now: float, ttl_s: Callable[[str], float]
) -> tuple[str, ...]:
    """Evictable models unused for as many seconds as `ttl_s` says of their id, or more.

    None of which it says a number that is not positive.
    """
    return tuple(
        r.model_id for r in residents if r.evictable and 0 < ttl_s(r.model_id) <= now - r.last_used
    )
