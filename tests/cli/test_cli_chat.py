"""A conversation: words that steer it, how fast an answer came, colours only where they belong."""

import io
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.cli import output
from app.cli.chat_stream import Answer, ask
from app.cli.chat_words import HELP, Talk, steered
from tests.cli.runs import Run, Terminal
from tests.fakes.authority_http import FakeAuthority, answer_of

SAID = {"role": "user", "content": "a"}


def test_words_steer_and_everything_else_is_said() -> None:
    talk = Talk("a/b", messages=[SAID])
    assert steered(talk, "/help") == HELP
    assert steered(talk, " /system Be brief. ") == ("The model is told first: Be brief.",)
    assert talk.asked() == [{"role": "system", "content": "Be brief."}, SAID]
    assert steered(talk, "/system") == ("It is told nothing first.",)
    assert talk.asked() == [SAID]
    assert steered(talk, "/model c/d") == ("Talking to c/d.",)
    assert "c/d" in str(steered(talk, "/model"))
    assert steered(talk, "/clear")
    assert (talk.model, talk.messages) == ("c/d", [])
    assert "/help" in str(steered(talk, "/nonsense"))
    for line in ("Hello", "/usr/bin is what?", "/ or", "/2"):
        assert steered(talk, line) is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(0.0, ["a", "b"], first_s=0.5, ended_s=1.5, tokens=21), "21 tokens, 20.0 tokens/s"),
        (Answer(0.0, ["a", "", "b"], first_s=0.5, ended_s=1.5), "about 2 tokens, 1.0 tokens/s"),
        (Answer(0.0, ["a"], first_s=0.25, ended_s=0.25, tokens=1), "1 token, the first after 0.25"),
        (Answer(0.0, [], ended_s=1.0), ""),
    ],
)
def test_the_speed_is_counted_from_the_first_token_on(answer: Answer, said: str) -> None:
    assert answer.speed().startswith(said)


def test_tokens_are_those_that_the_server_counted() -> None:
    class Endpoint:
        def lines(self, path: str, body: Any) -> Any:
            yield 'data: {"choices": [{"delta": {"content": "Hi"}}], "usage": null}'
            yield 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}'
            yield 'data: {"choices": [], "usage": {"completion_tokens": 9}}'
            yield "data: [DONE]"

    shown: list[str] = []
    times = iter([1.0, 2.0, 4.0])
    endpoint: Any = Endpoint()
    answer = ask(endpoint, "a/b", [SAID], shown.append, lambda: next(times))
    assert (answer.tokens, answer.finish, answer.text) == (9, "stop", "Hi")
    assert answer.speed() == "9 tokens, 4.0 tokens/s, the first after 1.00 s"


def test_one_question_through_a_pipe_gets_the_answer_alone(
    lmx: Run, authority: FakeAuthority
) -> None:
    ended = lmx("chat", "-m", "Hi")
    assert (ended.code, ended.out, ended.err) == (0, "Hello there.\n", "")


def test_a_conversation_is_steered_and_told_its_speed(
    terminal: Callable[..., Terminal], authority: FakeAuthority
) -> None:
    lmx = terminal("chat")
    lmx.wait_for("> ")
    lmx.type("/system Be brief.\n")
    lmx.wait_for("told first: Be brief.\n> ")
    lmx.type("/model other/one\n")
    lmx.wait_for("Talking to other/one.\n> ")
    lmx.type("Hi\n")
    lmx.wait_for("(about 2 tokens")
    lmx.wait_for(" s)\n> ")
    lmx.type("/bye\n")
    assert lmx.ended() == 0
    asked = authority.last("/v1/chat/completions").body
    assert (asked["model"], asked["messages"][0]["role"]) == ("other/one", "system")
    assert "\x1b[2m" not in lmx.screen  # NO_COLOR is set


def test_an_interrupt_at_the_prompt_leaves_quietly(terminal: Callable[..., Terminal]) -> None:
    lmx = terminal("chat")
    lmx.wait_for("> ")
    lmx.type("half a question")
    lmx.wait_for("half a question")
    time.sleep(0.3)  # the line editor has echoed that, and waits for the next key
    lmx.process.send_signal(signal.SIGINT)
    assert lmx.ended() == 0
    assert "Traceback" not in lmx.screen


def test_an_answer_that_breaks_off_does_not_end_the_conversation(
    terminal: Callable[..., Terminal], authority: FakeAuthority
) -> None:
    authority.chat = answer_of("Hel")[:1]
    lmx = terminal("chat")
    lmx.wait_for("> ")
    lmx.type("Hi\n")
    lmx.wait_for("server.\n> ")  # typed earlier, no line editor would see it
    lmx.type("\x04")
    assert lmx.ended() == 0


@pytest.mark.parametrize(
    ("changes", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_for_terminals_whose_owner_wants_them(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], coloured: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TERM", raising=False)
    for name, value in changes.items():
        monkeypatch.setenv(name, value)

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert output.in_colour(Screen()) is coloured
    assert output.in_colour(io.StringIO()) is False
