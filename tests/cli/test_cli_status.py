"""One screen that answers what is loaded, for whom, how busy, how much memory, and what waits."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.memory_bar import Term, bar, terms
from app.cli.status_shown import screen
from app.cli.status_watch import Watched
from tests.cli.runs import PROGRAM, Run, Terminal, environment
from tests.fakes.advice_answers import TRICKS
from tests.fakes.authority_http import GIB, FakeAuthority, serving

NOW_US = 1_700_000_200_000_000
BIG = "mlx-community/Qwen3-32B-4bit"
ANSWER: dict[str, Any] = {
    "version": "0.1.0",
    "listening": "http://127.0.0.1:1234",
    "home": "/Users/studio/.lmx",
    "uptime_s": 7261,
    "profile": "dual",
    "safe_mode": None,
    "memory": {
        "total_bytes": 64 * GIB,
        "available_bytes": 30 * GIB,
        "budget_bytes": 20 * GIB,
        "promised_untaken_bytes": 3 * GIB,
    },
    "ledger": {
        "size": 123456,
        "available": True,
        "checkpoint": {"size": 123456},
        "held_outside": None,
        "sinks": [{"name": "own", "ok": True, "lag": 0, "required": True}],
    },
    "guardrails": {"version": 3, "tasks": 12, "trouble": None},
    "advice": {"open": 2, "walls": [{"name": "seccomp", "stands": True, "why": ""}]},
    "approvals": {"pending": 2, "oldest_us": NOW_US - 90_000_000},
    "refusals": [
        {"ts_utc_us": NOW_US - 5_000_000, "code": "does_not_fit", "subject": BIG, "actor": "key:1"}
    ]
    * 3,
    "restored": [],
    "users": {
        BIG: [
            {"actor": "key:1", "name": "support-bot", "requests": 12},
            {"actor": "anonymous", "name": None, "requests": 3},
        ]
    },
    "lately": {"seconds": 60, "models": {BIG: {"requests": 3, "tokens": 1234}}},
    "models": [
        {
            "id": name,
            "state": "ready",
            "pinned": name == BIG,
            "resident_bytes": 9 * GIB,
            "context": 32768,
            "slots": 4,
            "active": 3,
            "queued": 2,
            "idle_s": 0,
            "aliases": ["default", "coder"],
        }
        for name in (BIG, "lmx/starter")
    ],
}


def shown(width: int | None = 80, **other: Any) -> str:
    return "\n".join(screen(ANSWER | other, width=width, now_us=NOW_US))


def test_two_loaded_models_fit_on_one_screen_of_80_by_24() -> None:
    lines = shown().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    assert max(map(len, shown(60).splitlines())) <= 60


@pytest.mark.parametrize(
    "words",
    [
        *("# models 18.0 GiB", "+ promised 3.0 GiB", "- budget 20.0 GiB", ": others 16.0 GiB"),
        *("3/4", "20.6", "as default, coder", "for support-bot 12x, anonymous 3x in 15 min"),
        *("pinned", "does_not_fit", "2 wait for a yes, the oldest for 1 min", "dual", "2 h 1 min"),
        *("123456 events, writable, all signed, copies up to date", "2 proposals wait"),
    ],
)
@pytest.mark.parametrize("width", [60, 80, None])
def test_it_answers_who_what_and_how_much_at_any_width(words: str, width: int | None) -> None:
    together = " ".join(shown(width).split())
    assert words in together or (width == 60 and words == "20.6")


def test_safe_mode_a_restored_state_and_a_lagging_copy_are_said_plainly() -> None:
    lagging = {"name": "nas", "ok": False, "lag": 7, "required": False, "why": "No such file"}
    text = shown(
        None,
        safe_mode="The last 3 starts ended badly.",
        restored=[{"seq": 5, "ts_utc_us": NOW_US}],
        ledger=ANSWER["ledger"] | {"sinks": [lagging], "available": False, "checkpoint": None},
    )
    for words in (
        "SAFE MODE  The last 3 starts ended badly.",
        "A stop in good order and a start end it.",
        "RESTORED  from a backup on 2023-11-14T22:16:40Z",
        "copy nas      optional, 7 events behind. No such file",
        "NOT WRITABLE",
    ):
        assert words in text


@pytest.mark.parametrize("wrong", [None, 7, "text", [1], {"a": [None]}, TRICKS])
def test_nothing_that_a_server_says_breaks_the_screen(wrong: Any) -> None:
    for name in ANSWER.keys() - {"models"}:
        other: dict[str, Any] = {name: wrong}
        if isinstance(ANSWER[name], dict) and not isinstance(wrong, dict | type(None)):
            other = {name: dict.fromkeys(ANSWER[name], wrong)}
        assert "\x1b" not in shown(80, **other)


amounts = st.integers(0, 1 << 40)


@given(amounts, amounts, amounts, amounts, amounts)
def test_the_terms_sum_up_to_the_memory_whatever_was_read(
    total: int, available: int, budget: int, promised: int, resident: int
) -> None:
    memory = {"total_bytes": total, "available_bytes": available, "budget_bytes": budget}
    memory["promised_untaken_bytes"] = promised
    parts = terms(memory, [{"resident_bytes": resident}])
    assert sum(part.count for part in parts) == total
    assert all(part.count >= 0 for part in parts)


@given(st.lists(amounts, min_size=5, max_size=5), st.integers(5, 200))
def test_the_bar_is_as_wide_as_asked_and_shows_whatever_is_not_nothing(
    counts: list[int], width: int
) -> None:
    parts = [Term(sign, sign, count) for sign, count in zip(":#+-.", counts, strict=True)]
    drawn = bar(parts, width)
    assert len(drawn) == (width if sum(counts) else 0)
    assert set(drawn) == {part.sign for part in parts if part.count}


def test_where_the_server_goes_away_the_last_screen_stays_under_since_when() -> None:
    known = Watched()
    known.lost("No server answers at http://127.0.0.1:1.", NOW_US)
    assert json.loads(known.as_line())["unreachable_since_us"] == NOW_US
    assert len(known.lines(width=80, now_us=NOW_US)) == 1 + 1
    known.heard(ANSWER)
    assert known.lines(width=80, now_us=NOW_US)[0].startswith("lmx 0.1.0")
    known.lost("Gone.", NOW_US)
    known.lost("Still gone.", NOW_US + 9_000_000)
    lines = known.lines(width=80, now_us=NOW_US + 9_000_000)
    assert lines[0] == "NOT REACHABLE since  22:16:40 UTC (9 s). Still gone."
    assert any(line.startswith("lmx 0.1.0") for line in lines)
    known.heard(ANSWER)
    assert json.loads(known.as_line()) == ANSWER


def test_watching_as_json_goes_on_while_the_server_is_away(authority: FakeAuthority) -> None:
    with serving(FakeAuthority()) as other:
        port = other.url
        program = subprocess.Popen(
            [*PROGRAM, "status", "--watch", "--every", "0.2", "--json", "--server", port],
            env=environment(authority),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None
        first = json.loads(program.stdout.readline())
    with program:
        while "version" in (later := json.loads(program.stdout.readline())):
            continue
        program.terminate()
    assert first["version"] == "0.1.0"
    assert "No server answers" in later["why"]


@pytest.mark.parametrize("how", ["q", signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_watched_screen_can_be_left_and_the_terminal_is_as_it_was(
    terminal: Callable[..., Terminal], how: str | signal.Signals
) -> None:
    watched = terminal("status", "--watch")
    watched.wait_for("q leaves")
    if isinstance(how, str):
        watched.type(how)
    else:
        watched.process.send_signal(how)
    assert watched.ended() == 0
    assert watched.screen.startswith("\x1b[?1049h\x1b[?25l")
    assert watched.screen.endswith("\x1b[?25h\x1b[?1049l")


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "3601", "x"])
def test_how_often_is_a_sensible_number_of_seconds(
    lmx: Run, authority: FakeAuthority, wrong: str
) -> None:
    assert lmx("status", "--watch", "--every", wrong).code == 2
    assert lmx("status", "--every", "1").code == 2


def test_a_key_that_may_not_look_ends_the_watch_at_once(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMX_KEY", "lmx_wrong")
    began = time.monotonic()
    assert lmx("status", "--watch", "--every", "9").code == 3
    assert time.monotonic() - began < 9
