"""Who is let in to a loaded model next: whoever has least there, and among equals in turn.

A model's worker takes what it is sent in order. So no more is sent than it runs at once and as much
again, which it needs to begin the next without a pause; the rest waits here, each key in a lane of
its own. A key with sixty requests so delays another's only one by what is at the worker, and not by
the sixty.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.refusal import Refusal

AHEAD = 2
"""Times the model's slots: what is at its worker at once, running or about to."""


@dataclass(slots=True, eq=False)
class Turn:
    """A request's place. `began`: when its first sequence could begin.

    `let_in` is called once: when it may be sent to the worker, within `join` where it need not
    wait, or when it was turned away; `refused` says which.
    """

    key: str
    sequences: int
    joined: float
    let_in: Callable[[], None]
    is_in: bool = False
    refused: Refusal | None = None
    began: float | None = None

    @property
    def waited_ms(self) -> int:
        """Until it began or, where it never did, gave up; 0 while it waits."""
        return 0 if self.began is None else round((self.began - self.joined) * 1000)


@dataclass(slots=True)
class Line:
    """Those who are at one model, on one event loop. A place is taken until its request has ended.

    So of requests with several sequences it may take a little longer than it must.
    """

    slots: int = 1
    waiting: int = 0
    """Sequences that have not been sent to the worker. May be read from any thread."""
    _running: int = 0
    _next: deque[Turn] = field(default_factory=deque)
    """Sent to the worker, in order, and not yet running."""
    _at_worker: dict[str, int] = field(default_factory=dict)
    """Sequences of each key that are at the worker."""
    _lanes: dict[str, deque[Turn]] = field(default_factory=dict)
    """Those who wait, by key; the key that was served longest ago comes first."""

    def join(
        self,
        key: str,
        sequences: int,
        *,
        slots: int,
        now: float,
        let_in: Callable[[], None] = lambda: None,
    ) -> Turn:
        """`slots`: sequences at once, as the model is loaded now."""
        self.slots = slots
        turn = Turn(key, sequences, now, let_in)
        self._lanes.setdefault(key, deque()).append(turn)
        self.waiting += sequences
        self._move_up(now)
        return turn

    def leave(self, turn: Turn, now: float) -> None:
        """Its request has ended, or was given up; others move up."""
        if turn.refused is not None:
            return
        if not turn.is_in:
            self._take_from_lane(turn)
            turn.began = now
            return
        left = self._at_worker[turn.key] - turn.sequences
        if left:
            self._at_worker[turn.key] = left
        else:
            del self._at_worker[turn.key]
        if turn.began is None:
            self._next.remove(turn)
            turn.began = now
        else:
            self._running -= turn.sequences
        self._move_up(now)

    def turn_away(self, refusal: Callable[[], Refusal], now: float) -> None:
        """Whoever still waits will not be let in: the model goes. At its worker nothing changes."""
        lanes, self._lanes = self._lanes, {}
        self.waiting = 0
        for turn in (turn for lane in lanes.values() for turn in lane):
            turn.refused, turn.began = refusal(), now
            turn.let_in()

    def _move_up(self, now: float) -> None:
        while self._lanes and sum(self._at_worker.values()) < AHEAD * self.slots:
            key = min(self._lanes, key=lambda lane: self._at_worker.get(lane, 0))
            lane = self._lanes.pop(key)
            turn = lane.popleft()
            if lane:
                self._lanes[key] = lane  # now the last of those that have as much
            turn.is_in = True
            self.waiting -= turn.sequences
            self._at_worker[key] = self._at_worker.get(key, 0) + turn.sequences
            self._next.append(turn)
            turn.let_in()
        while self._next and self._running < self.slots:
            turn = self._next.popleft()
            turn.began = now
            self._running += turn.sequences

    def _take_from_lane(self, turn: Turn) -> None:
        lane = self._lanes[turn.key]
        lane.remove(turn)
        self.waiting -= turn.sequences
        if not lane:
            del self._lanes[turn.key]
