"""What was read before is not read again, is told truly, and is kept apart where that is asked."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.asking import Json, still_answers, tokens_of
from tests.e2e.conversation import create_key
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

MODEL = "tests/remembering"
SYSTEM = "You answer in one short sentence, and you never say what you cannot know. " * 6
GRAIN = 16


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "model", context=4096)


@pytest.fixture(scope="module")
def shared_server(
    tmp_path_factory: pytest.TempPathFactory, directory: Path
) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("shared") / "home") as running:
        running.import_model(directory, MODEL)
        yield running


@pytest.fixture
def shared(shared_server: RunningServer) -> Iterator[RunningServer]:
    yield shared_server
    still_answers(shared_server, MODEL)


def ask(server: RunningServer, messages: list[Json], *, key: str = "", **more: object) -> Json:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": MODEL, "messages": messages, "max_tokens": 24, "temperature": 0, **more}
    response = httpx.post(
        f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=120
    )
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def said(role: str, text: str) -> Json:
    return {"role": role, "content": text}


def chat_about(subject: str, system: str = SYSTEM) -> list[Json]:
    return [said("system", system), said("user", subject)]


def cached(answer: Json) -> int:
    count: int = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
    assert 0 <= count < answer["usage"]["prompt_tokens"]
    return count


def test_the_second_chat_with_a_system_prompt_does_not_read_it_again(
    shared: RunningServer,
) -> None:
    system = "first " + SYSTEM
    assert cached(ask(shared, chat_about("apples", system))) < GRAIN
    known = len(tokens_of(system))
    for subject in ("berries", "cherries"):
        answer = ask(shared, chat_about(subject, system))
        assert known - GRAIN < cached(answer) < known + 2 * GRAIN


def test_a_chat_that_grows_reads_its_last_turns_only(shared: RunningServer) -> None:
    messages = [said("user", "growing " * 30)]
    before = 0
    for turn in range(4):
        answer = ask(shared, messages)
        if turn:
            assert cached(answer) > before - 2 * GRAIN
        before = answer["usage"]["total_tokens"]
        text = answer["choices"][0]["message"]["content"]
        messages += [said("assistant", text), said("user", f"and then, {turn}?")]


def test_what_is_remembered_changes_no_answer(shared: RunningServer) -> None:
    chat = chat_about("the same", "third " + SYSTEM)
    first, second, third = (ask(shared, chat) for _ in range(3))
    assert cached(first) < GRAIN < cached(second) == cached(third)
    assert first["choices"] == second["choices"] == third["choices"]
    assert first["usage"]["prompt_tokens"] == second["usage"]["prompt_tokens"]


def test_choices_of_one_prompt_count_it_once(shared: RunningServer) -> None:
    chat = chat_about("choices", "fourth " + SYSTEM)
    answer = ask(shared, chat, n=3)
    assert cached(answer) < GRAIN
    again = ask(shared, chat, n=3)
    assert again["usage"]["prompt_tokens"] == answer["usage"]["prompt_tokens"]
    assert cached(again) > GRAIN


def test_keys_share_what_is_remembered_unless_they_are_kept_apart(
    shared: RunningServer, tmp_path: Path, directory: Path
) -> None:
    chat = chat_about("keys", "fifth " + SYSTEM)
    one, other = (create_key(shared, name, "client") for name in ("one", "other"))
    ask(shared, chat, key=one)
    assert cached(ask(shared, chat, key=other)) > GRAIN

    with running_server(tmp_path / "home", inference={"isolate_cache": True}) as apart:
        apart.import_model(directory, MODEL)
        one, other = (create_key(apart, name, "client") for name in ("one", "other"))
        assert cached(ask(apart, chat, key=one)) == 0
        assert cached(ask(apart, chat, key=other)) == 0
        assert cached(ask(apart, chat)) == 0
        for key in (one, other, ""):
            assert cached(ask(apart, chat, key=key)) > GRAIN
        still_answers(apart, MODEL)
