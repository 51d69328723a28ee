"""A finished request as it is counted and logged."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """`route`: its template or `unmatched`, never what a client made up. `status`: 499 where the
    client left before its answer began. `seconds`: from its head to the end of its answer."""

    method: str
    route: str
    status: int
    seconds: float
