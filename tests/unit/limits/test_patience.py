"""How long a client is waited for, and who makes room where there is none."""

import pytest

from app.routers.patience import (
    Awaits,
    Patience,
    Seen,
    Verdict,
    is_reserved,
    judged,
    most_connections,
    place_in_yielding,
)

PATIENCE = Patience(header_s=15, body_s=30, read_s=120, idle_s=120, connections=100)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(Awaits.HEAD, 15), Verdict.WAIT),
        (Seen(Awaits.HEAD, 16), Verdict.TOLD),
        (Seen(Awaits.HEAD, 16, said_something=False), Verdict.CLOSE),
        (Seen(Awaits.BODY, 29, quiet_s=29), Verdict.WAIT),
        (Seen(Awaits.BODY, 31, quiet_s=31), Verdict.TOLD),
        # A byte a second is no body, and one that comes is waited for as long as it comes.
        (Seen(Awaits.BODY, 31, quiet_s=1, body_bytes=31), Verdict.TOLD),
        (Seen(Awaits.BODY, 300, quiet_s=1, body_bytes=1 << 20), Verdict.WAIT),
        (Seen(Awaits.BODY, 300, quiet_s=31, body_bytes=1 << 20), Verdict.TOLD),
        (Seen(Awaits.ANSWER, 10_000, quiet_s=10_000), Verdict.WAIT),
        (Seen(Awaits.ANSWER, 10_000, unread_s=121), Verdict.CUT),
        (Seen(Awaits.NEXT, 119), Verdict.WAIT),
        (Seen(Awaits.NEXT, 121), Verdict.CLOSE),
        (Seen(Awaits.END, 1), Verdict.WAIT),
        (Seen(Awaits.END, 3), Verdict.CUT),
    ],
)
def test_whoever_is_too_slow_is_let_go(seen: Seen, verdict: Verdict) -> None:
    assert judged(seen, PATIENCE) is verdict


def test_those_who_ask_nothing_make_room_first_and_those_who_wait_for_an_answer_never_do() -> None:
    heads = Seen(Awaits.HEAD, 5), Seen(Awaits.HEAD, 9), Seen(Awaits.NEXT, 60), Seen(Awaits.BODY, 7)
    places = [place_in_yielding(one) for one in heads]
    order = sorted(range(4), key=lambda at: places[at] or (9, 0.0))
    assert order == [1, 0, 2, 3]
    assert place_in_yielding(Seen(Awaits.ANSWER, 500)) is None
    assert place_in_yielding(Seen(Awaits.HEAD, 0.5)) is None


@pytest.mark.parametrize(
    ("path", "reserved"),
    [
        ("/authority", True),
        ("/authority/models/a/unload", True),
        ("/healthz", True),
        ("/metrics", True),
        ("/api/v1/models/unload", True),
        ("/authority-of-mine", False),
        ("/v1/chat/completions", False),
    ],
)
def test_operators_and_probes_have_connections_of_their_own(path: str, reserved: bool) -> None:
    assert is_reserved(path) is reserved


def test_no_more_connections_are_held_than_files_can_be_open() -> None:
    assert most_connections(4096, 65_536) == 4096
    assert most_connections(4096, 1024) == 1024 - 256 - 64
    assert most_connections(4096, 256) == 16
