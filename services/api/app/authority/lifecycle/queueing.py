"""How long requests wait for their turn at a loaded model, which takes them in order.

It only looks: the model's worker is what lets them wait. A place counts as taken until its whole
request has ended, so of requests with several sequences it may say a little too much.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Turn:
    """A request's place in the line. `began`: when its first sequence could begin."""

    sequences: int
    joined: float
    began: float | None = None
    gone: bool = False

    @property
    def waited_ms(self) -> int:
        """Until it began or, where it never did, gave up; 0 while it waits."""
        return 0 if self.began is None else round((self.began - self.joined) * 1000)


@dataclass(slots=True)
class Line:
    """Those who are at one model, in the order in which they came. On one event loop."""

    slots: int = 1
    _running: int = 0
    _waiting: deque[Turn] = field(default_factory=deque)

    def join(self, sequences: int, *, slots: int, now: float) -> Turn:
        """`slots`: sequences at once, as the model is loaded now."""
        self.slots = slots
        turn = Turn(sequences, now)
        self._waiting.append(turn)
        self._let_begin(now)
        return turn

    def leave(self, turn: Turn, now: float) -> None:
        """Its request has ended, or was given up; those behind it move up."""
        turn.gone = True
        if turn.began is None:
            turn.began = now
        else:
            self._running -= turn.sequences
            self._let_begin(now)

    def _let_begin(self, now: float) -> None:
        while self._waiting and self._running < self.slots:
            turn = self._waiting.popleft()
            if not turn.gone:
                turn.began = now
                self._running += turn.sequences
