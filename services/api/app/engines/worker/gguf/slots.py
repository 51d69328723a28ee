"""Which sequence has which slot, and what each slot still remembers of the ones before.

llama.cpp sets memory aside for every slot at load, so remembering a prompt costs none: it is what
the slot's last sequence left there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.engines.worker.gguf.decoder import Decoder

# Reading fewer tokens than these again is as fast; copying a slot moves all of its memory.
WORTH_KEEPING = 16
WORTH_COPYING = 64


@dataclass(slots=True)
class Slot:
    """`tokens` are those whose keys and values it holds, in the scope that may share them."""

    number: int
    tokens: list[int] = field(default_factory=list)
    scope: str = ""
    busy: bool = False
    used: int = 0


class Slots:
    """`window` is over how many tokens the model looks back, where it forgets."""

    def __init__(self, decoder: Decoder, *, window: int = 0) -> None:
        self._decoder = decoder
        self._window = window
        self._slots = [Slot(number) for number in range(decoder.slots)]
        self._uses = 0

    @property
    def room(self) -> int:
        """How many are free."""
        return sum(not slot.busy for slot in self._slots)

    def take(self, scope: str, tokens: Sequence[int], *, afresh: bool = False) -> Slot:
        """A slot that holds the longest known beginning of `tokens`, and nothing else.

        The last token is never part of it: somebody has to read that one. `afresh` wants none.
        """
        idle = [slot for slot in self._slots if not slot.busy]
        known = {
            slot.number: 0 if afresh else self._common(slot, scope, tokens) for slot in self._slots
        }
        # Where nothing is known, the slot that was used longest ago is written over.
        slot = max(idle, key=lambda slot: (known[slot.number], -slot.used))
        best = max(self._slots, key=lambda slot: known[slot.number])
        common = known[slot.number]
        if known[best.number] >= common + WORTH_COPYING:
            common = known[best.number]
            self._decoder.copy(best.number, slot.number)
        if not self._decoder.keep(slot.number, common):
            common = 0
        self._uses += 1
        slot.tokens, slot.scope = list(tokens[:common]), scope
        slot.busy, slot.used = True, self._uses
        return slot

    def give_back(self, slot: Slot) -> None:
        slot.busy = False

    def forget(self) -> None:
        """Nothing is held any more, by nobody."""
        self._decoder.clear()
        for slot in self._slots:
            slot.tokens, slot.busy = [], False

    def _common(self, slot: Slot, scope: str, tokens: Sequence[int]) -> int:
        if slot.scope != scope:
            return 0
        most = min(len(slot.tokens), len(tokens) - 1)
        differs = (n for n in range(most) if slot.tokens[n] != tokens[n])
        common = next(differs, most)
        if common < WORTH_KEEPING:
            return 0
        forgotten = self._window and self._decoder.first_held(slot.number)
        return 0 if forgotten > max(0, common - self._window) else common
