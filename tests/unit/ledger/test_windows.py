"""Equal events are counted together, and however writing goes none is lost or counted twice."""

import threading
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger import LedgerEvent
from app.authority.ledger.windows import WINDOW_S, Count, Windows
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable
from app.evidence.vocabulary import Kind
from tests.fakes.clock import FixedClock


@dataclass
class Paper:
    """A ledger that takes events only while it is `open`."""

    open: bool = True
    events: list[LedgerEvent] = field(default_factory=list)

    def append(self, event: LedgerEvent) -> LedgerEvent:
        if not self.open:
            raise AuditUnavailable("The ledger is not available.")
        self.events.append(event)
        return event

    def told(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for event in self.events:
            sums[event.subject] = sums.get(event.subject, 0) + event.data.get("count", 1)
        return sums


def read(what: str, **data: int) -> LedgerEvent:
    return LedgerEvent(Kind.LEDGER_READ, SYSTEM, subject=what, data=data)


def counted(what: str, count: Count) -> LedgerEvent:
    return read(what, **count.as_data())


def windows_on(paper: Any, clock: FixedClock, *, in_full: int = 2) -> Windows[str]:
    return Windows(paper, clock, in_full=in_full, counted=counted)


def note(windows: Windows[str], what: str, *, at_most: int = 3) -> object:
    return windows.record(what, lambda: read(what), others="(others)", at_most=at_most)


STEPS = st.lists(
    st.sampled_from("abcdef")
    | st.sampled_from(["down", "up", "flush"])
    | st.floats(0, 100, allow_nan=False),
    max_size=120,
)


@given(STEPS)
def test_whatever_happens_the_sum_is_what_happened(steps: list[str | float]) -> None:
    paper, clock = Paper(), FixedClock()
    windows = windows_on(paper, clock)
    noted = 0
    for step in steps:
        match step:
            case float():
                clock.advance(step)
            case "down" | "up":
                paper.open = step == "up"
            case "flush":
                windows.flush_due()
            case str():
                note(windows, step)
                noted += 1
        assert sum(paper.told().values()) + windows.pending == noted
    paper.open = True
    windows.close()
    assert sum(paper.told().values()) == noted
    assert windows.pending == 0


@given(STEPS)
def test_no_count_is_older_than_a_minute_once_it_is_due(steps: list[str | float]) -> None:
    paper, clock = Paper(), FixedClock()
    windows = windows_on(paper, clock)
    for step in steps:
        if isinstance(step, float):
            clock.advance(step)
        elif len(step) == 1:
            note(windows, step)
    clock.advance(WINDOW_S + 0.001)  # a sum of fractions may fall a hair short
    windows.flush_due()
    assert windows.pending == 0


def test_a_count_says_how_many_between_which_moments() -> None:
    paper, clock = Paper(), FixedClock()
    windows = windows_on(paper, clock, in_full=1)
    began = clock.utc_us()
    for _ in range(4):
        note(windows, "a")
        clock.advance(10)
    windows.close()
    assert paper.events[-1].data == {
        "count": 3,
        "first_us": began + 10_000_000,
        "last_us": began + 30_000_000,
    }


def test_sixteen_threads_lose_nothing_while_the_ledger_comes_and_goes() -> None:
    paper, clock = Paper(), FixedClock()
    windows = windows_on(paper, clock)
    done = threading.Event()

    def trouble() -> None:
        while not done.is_set():
            paper.open = not paper.open
            clock.advance(7)
            windows.flush_due()

    def work(what: str) -> None:
        for _ in range(200):
            note(windows, what, at_most=100)

    troublemaker = threading.Thread(target=trouble)
    workers = [threading.Thread(target=work, args=("abcd"[n % 4],)) for n in range(16)]
    troublemaker.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done.set()
    troublemaker.join()
    paper.open = True
    windows.close()
    assert paper.told() == dict.fromkeys("abcd", 800)
