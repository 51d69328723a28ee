"""How much advice is kept, and when the same may be said again: decisions, and nothing else. Pure.

A person reads proposals. So there are never more than can be read, whoever writes them, and what a
person said no to does not come back the next minute.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from app.authority.advice.kept import Kept, State
from app.authority.advice.plain import shown
from app.authority.advice.untrusted import models_of
from app.authority.approvals.wording import utc_time
from app.domain.refusals import ProposalInvalid, Refusal, TooManyProposals

A_POST: Final = 50
OPEN_OF_ONE: Final = 20
OPEN_IN_ALL: Final = 200
AN_HOUR: Final = 60

_S: Final = 1_000_000
HOUR_US: Final = 3_600 * _S
DAY_US: Final = 24 * HOUR_US
QUIET_US: Final = {State.DISMISSED: 7 * DAY_US, State.ACCEPTED: DAY_US}
"""For how long after a decision the same is not taken again."""


class Taken(NamedTuple):
    """What of the limits is used: open ones in all, an author's, and what it made in the hour."""

    open_in_all: int
    open_of_author: int
    made_in_hour: int


class Decided(NamedTuple):
    """What was decided last on what is about the same."""

    id: str
    state: State
    decided_us: int
    reason: str


def no_room(taken: Taken) -> Refusal | None:
    """Why no further one of this author's is kept now; None: there is room."""
    if taken.open_of_author >= OPEN_OF_ONE:
        return TooManyProposals(
            f"{OPEN_OF_ONE} proposals of this author wait for a person already. Propose again "
            "when some were decided or have expired.",
            retry_after_s=3_600,
        )
    if taken.made_in_hour >= AN_HOUR:
        return TooManyProposals(
            f"This author made {AN_HOUR} proposals in the last hour. Propose again in an hour.",
            retry_after_s=3_600,
        )
    if taken.open_in_all >= OPEN_IN_ALL:
        return TooManyProposals(
            f"{OPEN_IN_ALL} proposals wait for a person already: more than somebody reads with "
            "care. Propose again when some were decided: lmx advice ls",
            retry_after_s=3_600,
        )
    return None


def replaced(kept: Kept, came_s: Mapping[str, int]) -> str | None:
    """A model that it names and that is another one by now, under the same name; None: none is.

    `came_s`: when each model that there is came, in seconds of UTC.
    """
    made_s = kept.created_us // _S
    return next((one for one in models_of(kept.proposal) if came_s.get(one, 0) > made_s), None)


def too_soon(decided: Decided | None, now_us: int) -> Refusal | None:
    """Why the same is not taken again after this decision about it; None: it is."""
    if decided is None:
        return None
    until_us = decided.decided_us + QUIET_US.get(decided.state, 0)
    if now_us >= until_us:
        return None
    return ProposalInvalid(
        f"The same was {decided.state} on {utc_time(decided.decided_us)} as proposal {decided.id}, "
        f"with the reason {shown(decided.reason)}. Propose it again after "
        f"{utc_time(until_us)}, if it still holds.",
        param="target",
    )
