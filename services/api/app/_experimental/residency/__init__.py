"""The advisor `residency`: what should be in memory, from the history of requests.

The method, in the order of its files. `hours`: when each model was used, one bit an hour.
`calendars`: ways in which earlier days could tell an hour (the same hour on the days before, a week
before, every third day, on working days). `chances`: each calendar is tried on every hour that is
over with what was known before it, and believed only where its surplus over each model's own rate
is as good as impossible by chance; what it says of a model is then how often it was right of it.
`room`: a model is loaded where that is likelier to be used than what has to leave. `lasting`: what
holds for longer than a few hours comes first, since a person looks once a day.

It knows no names, no time zones and no holidays, and it looks at nothing but use by the hour:
within an hour the server's own order (least recently used) stands. Without a pattern it says
nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final

from app._experimental.residency.chances import chances_of
from app._experimental.residency.coming import for_the_coming_hours
from app._experimental.residency.hours import hours_of
from app._experimental.residency.lasting import lasting
from app.domain.advice.frames import Advice
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot

MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Residency:
    name: str = "residency"
    assumes: str = (
        "Use that came back at the same hour on earlier days comes back again, and requests reach "
        "models as they did. Models take what the snapshot says they need."
    )
    sure: str = (
        "Of a load: of the times its calendar foretold this model before, the share that came, "
        "drawn towards that of all models while there were few; of an unload, that times the "
        "chance that it is not missed. Of what lasts: the share of hours or days of the week "
        "behind it (Laplace's rule). Never above 97."
    )

    def advise(self, snapshot: Snapshot) -> Advice:
        hours = hours_of(snapshot)
        chances = chances_of(hours)
        found = chain(lasting(snapshot, hours), for_the_coming_hours(snapshot, hours, chances))
        yield from _whole(_once(found))


def _once(found: Iterable[Proposal]) -> list[Proposal]:
    """What lasts is said first, and then not again for the coming hours."""
    kept: dict[tuple[Kind, str], Proposal] = {}
    for proposal in found:
        kept.setdefault((proposal.kind, proposal.target), proposal)
    return list(kept.values())


def _whole(found: list[Proposal]) -> list[Proposal]:
    """The first ten, but no unload at the end whose load was cut off."""
    kept = found[:MOST]
    while len(found) > MOST and kept and _makes_room(kept[-1]):
        kept.pop()
    return kept


def _makes_room(proposal: Proposal) -> bool:
    return proposal.kind is Kind.UNLOAD and proposal.expires_in_s < 2 * 86_400


RESIDENCY: Final = Residency()
