"""Stop strings across token boundaries: what may be shown, what must wait, where to end."""

from collections.abc import Iterable, Sequence


class StopScanner:
    """Feeds on final text of one sequence; lets through only what is no part of a stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found: str | None = None
        """The stop string that ended the text."""

    @property
    def stopped(self) -> bool:
        return self.found is not None

    def feed(self, text: str) -> str:
        """Text that is safe to show. Sets `found` when a stop string is complete."""
        if not self._stops:
            return text
        text = self._held + text
        found = [(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            end, self.found = min(found, key=lambda pair: pair[0])
            self._held = ""
            return text[:end]
        held = beginning_of(self._stops, text)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """What was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def beginning_of(marks: Iterable[str], text: str) -> int:
    """Length of the longest end of `text` that begins one of `marks` without being all of it."""
    longest = 0
    for mark in marks:
        if mark[0] not in text[1 - len(mark) :]:  # nearly always, and much faster
            continue
        for length in range(min(len(mark) - 1, len(text)), longest, -1):
            if text.endswith(mark[:length]):
                longest = length
                break
    return longest
