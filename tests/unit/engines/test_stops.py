"""Stop strings end a text at the same place however it was cut into pieces."""

from hypothesis import given
from hypothesis import strategies as st

from app.engines.worker.stops import StopScanner

letters = st.text("ab<|", max_size=30)
stops = st.lists(st.text("ab<|", min_size=1, max_size=5), max_size=4)


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


@given(letters, stops, st.lists(st.integers(0, 4)))
def test_the_text_ends_before_the_first_complete_stop_string(
    text: str, stops: list[str], sizes: list[int]
) -> None:
    scanner, shown = StopScanner(stops), ""
    seen = ""
    for piece in cut(text, sizes):
        shown += scanner.feed(piece)
        seen += piece
        # What was shown is never taken back.
        assert seen.startswith(shown)
        if scanner.stopped:
            break
    else:
        shown += scanner.flush()
    ends = [at for stop in stops if (at := seen.find(stop)) >= 0]
    assert scanner.stopped == bool(ends)
    assert shown == (seen[: min(ends)] if ends else text)


@given(letters, stops)
def test_nothing_that_begins_a_stop_string_is_shown(text: str, stops: list[str]) -> None:
    scanner = StopScanner(stops)
    shown = "".join(scanner.feed(letter) for letter in text if not scanner.stopped)
    if not scanner.stopped:
        held = text[len(shown) :]
        for stop in stops:
            longest = max((n for n in range(len(stop)) if text.endswith(stop[:n])), default=0)
            assert len(held) >= longest


def test_empty_stop_strings_mean_nothing() -> None:
    scanner = StopScanner(["", ""])
    assert scanner.feed("all of it") == "all of it"
    assert not scanner.stopped
