"""What a child writes is noted or refused, and never believed."""

import json

import pytest

from app.domain.advice.contained import Tried, Wall
from app.domain.advice.frames import Answer, Question
from app.engines.advisor_frames import MOST_TRIED, Garbage, Heard, answered, shown

WALLS = b'{"walls": [{"name": "seccomp", "stands": false, "why": "no"}]}'


def hearing() -> Heard:
    heard = Heard()
    assert heard.take(WALLS) is None
    return heard


def test_the_walls_come_first_and_once() -> None:
    heard = hearing()
    assert heard.walls == (Wall("seccomp", False, "no"),)
    with pytest.raises(Garbage):
        heard.take(WALLS)
    with pytest.raises(Garbage):
        Heard().take(b'{"proposal": {}}')
    assert heard.walls == (Wall("seccomp", False, "no"),)


def test_each_kind_of_frame_is_noted() -> None:
    heard = hearing()
    assert heard.take(b'{"proposal": {"kind": "pin", "reason": "\\u001b"}}') is None
    asked = heard.take(b'{"question": {"prompt": "p", "schema": {"a": 1}, "max_tokens": 9}}')
    heard.take(b'{"tried": {"what": "open", "which": "/etc\\u001b[2J"}}')
    heard.take(b'{"untold": 7}')
    heard.take(b'{"report": {"hit": 3}}')
    heard.take(b'{"described": [["n", "a", "s"]]}')
    heard.take(b'{"done": {"ended": "it raised X"}}')
    assert asked == Question(prompt="p", schema={"a": 1}, max_tokens=9)
    assert heard.proposals == [b'{"kind":"pin","reason":"\\u001b"}']
    assert heard.report == b'{"hit":3}'
    assert heard.described == (("n", "a", "s"),)
    assert (heard.ended, heard.questions) == ("it raised X", 1)
    assert heard.all_tried([Tried("time", "x")]) == (
        Tried("open", "/etc\\x1b[2J"),
        Tried("more", "7 more attempts"),
        Tried("time", "x"),
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"proposal": {}, "done": {"ended": ""}}',
        b'{"proposal": {"confidence": Infinity}}',
        b'{"proposal": []}',
        b'{"proposal": ' + b'{"a": ' * 40 + b"1" + b"}" * 41,
        b"[" * 100_000,
        b'{"question": {"prompt": "p", "schema": [], "max_tokens": 9}}',
        b'{"question": {"prompt": "p", "schema": {}, "max_tokens": true}}',
        b'{"question": {"prompt": "p", "schema": {}, "max_tokens": 0}}',
        b'{"question": {"prompt": null, "schema": {}, "max_tokens": 9}}',
        b'{"question": {}}',
        b'{"question": {"prompt": "p", "schema": {"a": 1e999}, "max_tokens": 9}}',
        b'{"question": {"prompt": "' + b"x" * 60_000 + b'\\ud800", "schema": {}, "max_tokens": 9}}',
        b'{"proposal": {"confidence": -1e999}}',
        b'{"tried": "x"}',
        b'{"tried": {"what": 1, "which": "x"}}',
        b'{"untold": -1}',
        b'{"untold": true}',
        b'{"report": 3}',
        b'{"described": [["n", "a"]]}',
        b'{"described": "abc"}',
        b'{"done": {}}',
        b'{"done": {"ended": null}}',
        b'{"event": {}}',
    ],
)
def test_what_is_not_whole_is_garbage_and_leaves_nothing(line: bytes) -> None:
    heard = hearing()
    with pytest.raises(Garbage) as garbage:
        heard.take(line)
    assert str(garbage.value).isprintable()
    assert len(str(garbage.value)) <= 200
    assert (heard.proposals, heard.tried, heard.report, heard.ended) == ([], [], None, None)


def test_no_more_advisors_are_described_than_a_person_reads() -> None:
    heard = hearing()
    heard.take(json.dumps({"described": [["n", "a", "s"]] * 5_000}).encode())
    assert len(heard.described) == 50


def test_attempts_are_told_up_to_a_number_and_then_counted() -> None:
    heard = hearing()
    for number in range(MOST_TRIED + 5):
        heard.note_tried("open", str(number))
    told = heard.all_tried([])
    assert len(told) == MOST_TRIED + 1
    assert told[-1] == Tried("more", "5 more attempts")


def test_what_is_shown_is_short_and_obeys_no_terminal() -> None:
    assert shown("a\x1b[2J\u202eb\ud800") == "a\\x1b[2J\\u202eb\\ud800"
    assert shown("x" * 300) == "x" * 199 + "…"


def test_an_answer_is_one_line() -> None:
    line = answered(Answer("a\nb\u2028", "because\n"))
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"answer": {"text": "a\nb\u2028", "why": "because\n"}}
