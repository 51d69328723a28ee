"""`lmx ledger ls`, `counts`, `watch`, `reindex`: what they ask and how they end."""

import json
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.cli.runs import PROGRAM, Run, Terminal, environment
from tests.fakes.authority_http import FakeAuthority, event_of

EVENTS = "/authority/ledger/events"
FILTERS = {
    "since": "2026-01-01",
    "until": "2026-02-01T00:00:00Z",
    "kind": "refusal",
    "action": "model.load",
    "actor": "key:0123abcd",
    "person": "p1",
    "role": "client",
    "outcome": "forbidden",
    "model": "a/b",
    "digest": "ab" * 32,
    "plan": "plan-1",
    "run": "7",
    "request_id": "r-1",
    "subject": "key 1",
    "text": "not enough memory",
}


def hear_ctrl_c() -> None:
    """A shell in the background starts its children deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def typed(filters: dict[str, str]) -> list[str]:
    return [part for n, v in filters.items() for part in (f"--{n.replace('_', '-')}", v)]


@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        ("guardrails_loaded", {"version": 2, "hash": "ab"}, "version 2"),
        ("guardrails_activated", {"version": 2, "hash": "ab"}, "version 2"),
        ("guardrails_bound", {"changed": ["big@1", "old retired"]}, "big@1, old retired"),
        ("guardrails_digest", {"decisions": 61}, "61 decisions"),
        ("boot", {"version": 2}, "-"),
    ],
)
def test_an_event_of_guardrails_says_what_it_is_about(
    lmx: Run, authority: FakeAuthority, kind: str, data: dict[str, object], said: str
) -> None:
    event = event_of(1, subject="") | {"kind": kind}
    event["body"] = event["body"] | {"kind": kind, "data": data}
    authority.events = [event]
    line = next(each for each in lmx("ledger", "ls").out.splitlines() if kind in each)
    assert line.split(kind)[1].strip().endswith(f"  {said}")


def test_every_filter_reaches_the_server(lmx: Run, authority: FakeAuthority) -> None:
    lmx("ledger", "ls", *typed(FILTERS), "--total")
    query = authority.last(EVENTS).query
    assert query == FILTERS | {"limit": "50", "newest_first": "true", "total": "true"}
    lmx("ledger", "counts", "--by", "day+outcome", *typed(FILTERS))
    assert authority.last("/authority/ledger/counts").query == FILTERS | {"by": "day+outcome"}


def test_a_page_is_filled_from_as_many_answers_as_it_takes(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.record(9)
    authority.page_at_most = 2
    ended = lmx("ledger", "ls", "--limit", "5", "--kind", "load_intent", "--json")
    answer = json.loads(ended.out)
    assert [event["seq"] for event in answer["events"]] == [5, 6, 7, 8, 9]
    assert answer["range"]["first_seq"] == 5
    assert answer["range"]["last_seq"] == 9
    assert len(authority.asked) == 3


def test_a_list_says_what_it_covers_and_under_which_checkpoint(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.record(3)
    ended = lmx("ledger", "ls", "--total")
    assert ended.out.splitlines()[-1] == "total  3"
    assert "Covers events 1 to 3 of 3" in ended.err
    assert "checkpoint of 9 events, root cm9vdA==" in ended.err


def test_what_a_record_holds_cannot_move_the_cursor(lmx: Run, authority: FakeAuthority) -> None:
    authority.events = [event_of(1, "a\x1b[2Jb\u202ec\nd")]
    line = lmx("ledger", "ls").out.splitlines()[1]
    assert line.endswith("a[2Jbc d")


def test_counts_are_a_table_with_a_total(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("ledger", "counts", "--by", "day+outcome")
    assert ended.out.splitlines() == [
        "DAY         OUTCOME  EVENTS",
        "2026-09-21  -             7",
        "total  7",
    ]


def test_reindex_says_how_many_rows_were_wrong(lmx: Run, authority: FakeAuthority) -> None:
    ended = lmx("ledger", "reindex")
    assert ended.out == "rows     3\nchanged  1\nevent    4\n"
    assert authority.last("/authority/ledger/reindex").body == {}


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_watch_shows_new_events_until_ctrl_c_and_ends_well(
    authority: FakeAuthority, form: list[str]
) -> None:
    authority.record(2)
    watching = subprocess.Popen(
        [*PROGRAM, "ledger", "watch", "--kind", "load_intent", *form],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(authority),
        text=True,
        preexec_fn=hear_ctrl_c,  # noqa: PLW1509 - the child only resets a signal
    )
    assert watching.stdout is not None
    while len(authority.asked) < 2:
        assert watching.poll() is None
        time.sleep(0.01)
    authority.record(1)
    line = watching.stdout.readline()
    assert json.loads(line)["seq"] == 3 if form else line.split()[0] == "3"
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out, err) == (0, "", "")
    assert authority.last(EVENTS).query["kind"] == "load_intent"


def test_sixty_columns_are_enough(
    authority: FakeAuthority, terminal: Callable[..., Terminal]
) -> None:
    authority.record(2)
    shown = terminal("ledger", "ls", "--total")
    assert shown.ended() == 0
    assert max(map(len, shown.screen.splitlines())) <= 80
    assert "actor" in shown.screen
