"""llama.cpp's loop: what is asked is what comes, and one sequence never costs another's answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.generation import (
    Constraint,
    FinishReason,
    Form,
    Prompt,
    Sampling,
    TextPrompt,
    TokenPrompt,
)
from app.domain.refusals import ContextLengthExceeded, PromptRejected
from app.domain.shapes import Format
from app.domain.work import Detokenize, Tokenize
from app.engines.protocol import VERSION, Cancel, Generate, Load, SequenceRejected
from app.engines.worker.backend import Drain, Prepared
from app.engines.worker.gguf.backend import GgufBackend
from app.engines.worker.gguf.batch import Batch
from tests.gguf_models import tiny_gguf
from tests.workers import Asking, opened_gguf

CONTEXT = 1024
SLOTS = 3
HELLO = "hello there, how is everybody"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GgufBackend]:
    directory = tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny", context=CONTEXT)
    spec = Load(VERSION, "tests/tiny", str(directory), CONTEXT, SLOTS, 2**32, 0, Format.GGUF)
    backend = opened_gguf(spec)
    yield backend
    backend.preparing.close()


@pytest.fixture
def ask(backend: GgufBackend) -> Asking:
    return Asking(backend)


class Handles:
    """Handles only grow."""

    last = 0


def asked(prompt: Prompt | str = HELLO, *, scope: str = "", **sampling: Any) -> Generate:
    Handles.last += 1
    settings = {"temperature": 0.0, "max_tokens": 16} | sampling
    whole = TextPrompt(prompt) if isinstance(prompt, str) else prompt
    return Generate(Handles.last, whole, Sampling(**settings), scope)


def test_logprobs_join_to_the_text_and_the_best_is_what_greedy_draws(ask: Asking) -> None:
    (answer,) = ask(asked(logprobs=2))
    assert b"".join(entry.text for entry in answer.logprobs).decode() == answer.text
    assert len(answer.logprobs) == answer.finished.completion_tokens
    for entry in answer.logprobs:
        assert entry.top[0][0] == entry.token
        assert entry.logprob == entry.top[0][2] >= entry.top[1][2]


def test_a_prompt_is_echoed_with_what_each_of_its_tokens_was_worth(
    ask: Asking, backend: GgufBackend
) -> None:
    text = HELLO * 8  # more tokens than one step tells
    (told,) = ask(asked(text, echo=True, logprobs=1, max_tokens=4))
    assert told.echoed is not None
    tokens = backend.preparing.tokens(Tokenize(TextPrompt(text))).tokens
    assert told.echoed.text == text
    assert tuple(entry.token for entry in told.echoed.logprobs) == tokens
    assert told.echoed.logprobs[0].logprob is None
    # What the prompt's end predicts is what an answer to the prompt before it begins with.
    for cut in (5, 60, len(tokens) - 1):
        (shorter,) = ask(asked(TokenPrompt(tokens[:cut]), logprobs=1, max_tokens=1))
        likeliest = told.echoed.logprobs[cut].top[0]
        assert shorter.logprobs[0].token == likeliest[0]
        assert shorter.logprobs[0].logprob == pytest.approx(likeliest[2], abs=0.01)


@pytest.mark.parametrize("logprobs", [None, 2])
def test_an_echo_alone_generates_nothing(ask: Asking, logprobs: int | None) -> None:
    (answer,) = ask(asked(echo=True, max_tokens=0, logprobs=logprobs))
    assert answer.echoed is not None
    assert bool(answer.echoed.logprobs) == (logprobs is not None)
    assert answer.text == ""
    assert answer.finished.reason is FinishReason.LENGTH
    assert answer.finished.completion_tokens == 0


def test_answers_are_the_same_alone_and_among_others(ask: Asking) -> None:
    kinds: list[dict[str, Any]] = [
        {"temperature": 1.0, "seed": 3, "top_p": 0.9},
        {"presence_penalty": 1.0, "frequency_penalty": 0.5},
        {"repetition_penalty": 1.3, "prompt": "another one " * 20},
        {"logit_bias": ((70, 4.0),)},
        {"temperature": 0.7, "seed": 9, "top_k": 20, "min_p": 0.01, "logprobs": 1},
    ]
    alone = [ask(asked(**kind))[0].text for kind in kinds]
    together = [answer.text for answer in ask(*(asked(**kind) for kind in kinds))]
    assert together == alone
    assert len(set(alone)) == len(kinds)


def test_a_bias_decides(ask: Asking) -> None:
    (answer,) = ask(asked(logit_bias=((ord("A"), 1000.0),)))
    assert answer.text == "A" * 16


def test_the_token_that_ends_an_answer_is_never_part_of_it(
    ask: Asking, backend: GgufBackend
) -> None:
    (end,) = backend.language.end_tokens
    (answer,) = ask(asked(logit_bias=((end, 1000.0),)))
    assert (answer.text, answer.finished.completion_tokens) == ("", 0)
    assert answer.finished.reason is FinishReason.STOP


def test_a_schema_is_obeyed_whatever_the_weights_say(ask: Asking) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 5}, "old": {"type": "boolean"}},
        "required": ["name", "old"],
        "additionalProperties": False,
    }
    constraint = Constraint(Form.SCHEMA, schema)
    many = ask(
        *(asked(constraint=constraint, temperature=1.0, seed=n, max_tokens=200) for n in range(5)),
        asked(),
    )
    for answer in many[:5]:
        assert answer.finished.reason is FinishReason.STOP
        assert json.loads(answer.text).keys() == {"name", "old"}
    assert many[5].text == ask(asked())[0].text


def test_a_choice_is_one_of_the_choices(ask: Asking) -> None:
    (answer,) = ask(asked(constraint=Constraint(Form.CHOICE, ["north", "south"])))
    assert answer.text in ("north", "south")


def test_a_prompt_that_was_read_before_is_not_read_again(ask: Asking) -> None:
    prompt = HELLO * 6
    first, again = ask(asked(prompt))[0], ask(asked(prompt))[0]
    assert again.text == first.text
    assert first.finished.cached_tokens == 0
    assert again.finished.cached_tokens == again.finished.prompt_tokens - 1


def test_chats_that_begin_alike_share_the_beginning_while_one_still_runs(ask: Asking) -> None:
    system = "you are helpful. " * 20
    alone = [ask(asked(system + end, scope=end))[0].text for end in ("one", "two", "three")]
    ask(asked(system, max_tokens=1))
    together = ask(*(asked(system + end) for end in ("one", "two", "three")))
    assert [answer.text for answer in together] == alone
    assert all(answer.finished.cached_tokens > 64 for answer in together)


def test_what_one_scope_read_no_other_is_given(ask: Asking) -> None:
    prompt = "a secret that nobody else may find by its speed " * 3
    assert ask(asked(prompt, scope="a"))[0].finished.cached_tokens == 0
    assert ask(asked(prompt, scope="b"))[0].finished.cached_tokens == 0
    assert ask(asked(prompt))[0].finished.cached_tokens == 0
    assert ask(asked(prompt, scope="a"))[0].finished.cached_tokens > 0


def test_a_long_prompt_does_not_stop_the_others(backend: GgufBackend) -> None:
    ask = Asking(backend)
    assert isinstance(ask.loop, Batch)
    ask.loop._piece = 16
    order: list[int] = []
    hear = ask._hear

    def watch(messages: list[Any]) -> None:
        order.extend(item.handle for m in messages for item in getattr(m, "items", ()))
        order.extend(m.handle for m in messages if hasattr(m, "reason"))
        hear(messages)

    ask.loop._send = watch
    ask.loop._pace = lambda *_: None  # type: ignore[method-assign]
    short, long = asked("abc " * 2, max_tokens=30), asked("xyz, " * 100, max_tokens=2)
    ask(short, long)
    assert order.index(long.handle) > 10
    assert order.count(short.handle) > 10


def test_a_burst_is_read_shortest_first_and_then_all_speak_in_the_order_of_their_slots(
    backend: GgufBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """llama.cpp computes neighbouring slots together, and each of the others by itself."""
    ask, decoder = Asking(backend), backend._decoder
    steps: list[list[tuple[int, int]]] = []
    step = decoder.step

    def watched(feeds: Any) -> Any:
        steps.append([(feed.slot, len(feed.tokens)) for feed in feeds])
        return step(feeds)

    monkeypatch.setattr(decoder, "step", watched)
    prompts = [TokenPrompt(tuple(range(40 + n, 40 + n + size))) for n, size in enumerate((9, 3, 6))]
    answers = ask(*(asked(prompt, max_tokens=4, scope="burst") for prompt in prompts))
    assert [answer.finished.completion_tokens for answer in answers] == [4, 4, 4]
    assert [[size for _, size in feeds] for feeds in steps[:3]] == [[3], [6], [9]]
    assert all([slot for slot, _ in feeds] == [0, 1, 2] for feeds in steps[3:])
    assert len(steps) == 6


def test_a_cancelled_sequence_frees_its_slot_and_says_nothing_more(backend: GgufBackend) -> None:
    ask = Asking(backend)
    gone = [backend.preparing.prepare(asked(max_tokens=500)) for _ in range(SLOTS)]
    for one in gone:
        ask.loop.inbox.put(one)
        ask.loop.inbox.put(Cancel(one.handle))
    early = asked()
    ask.loop.inbox.put(Cancel(early.handle))
    ask.loop.inbox.put(backend.preparing.prepare(early))
    (answer,) = ask(asked(max_tokens=5))
    assert answer.finished.completion_tokens == 5
    assert not ask.loop._running  # type: ignore[attr-defined]
    assert len(ask._said) > 0
    assert {getattr(m, "handle", None) for m in ask._said} <= {None, answer.finished.handle}


def test_a_step_that_fails_costs_those_in_it_and_no_more(
    backend: GgufBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = Asking(backend)
    expected = ask(asked())[0].text
    decoder, calls = backend._decoder, [0]
    step = decoder.step

    def flaky(feeds: Any) -> Any:
        calls[0] += 1
        if calls[0] == 4:
            raise RuntimeError("secret words")
        return step(feeds)

    monkeypatch.setattr(decoder, "step", flaky)
    answers = ask(*(asked(scope=str(n)) for n in range(SLOTS + 1)))
    ends = [answer.end for answer in answers]
    assert all(isinstance(end, SequenceRejected) for end in ends[:SLOTS])
    assert not any("secret" in getattr(end, "message", "") for end in ends)
    assert answers[SLOTS].text == expected


def test_a_drained_loop_finishes_what_runs_and_takes_nothing_new(backend: GgufBackend) -> None:
    said: list[Any] = []
    loop = backend.loop(said.extend, lambda: False)
    many: list[Prepared] = [
        backend.preparing.prepare(asked(max_tokens=4)) for _ in range(SLOTS + 1)
    ]
    for one in many:
        loop.inbox.put(one)
    loop.inbox.put(Drain())
    loop.run()
    assert {message.handle for message in said} == {one.handle for one in many}
    assert all(isinstance(message, SequenceRejected) for message in said)
    assert loop.stalled_ms == 0


def test_tokens_and_texts_go_both_ways(backend: GgufBackend) -> None:
    text = "héllo <|im_end|> 漢🙂"
    found = backend.preparing.tokens(Tokenize(TextPrompt(text)))
    assert b"".join(found.texts).decode() == text
    assert next(iter(backend.language.end_tokens)) in found.tokens
    assert backend.preparing.text(Detokenize(found.tokens)).text == text


@pytest.mark.parametrize("tokens", [(320,), (-1,), (2**40,)])
def test_tokens_outside_the_vocabulary_never_reach_llama_cpp(
    backend: GgufBackend, tokens: tuple[int, ...]
) -> None:
    with pytest.raises(PromptRejected):
        backend.preparing.prepare(asked(TokenPrompt(tokens)))


def test_a_prompt_that_is_too_long_is_refused_before_it_is_queued(backend: GgufBackend) -> None:
    with pytest.raises(ContextLengthExceeded):
        backend.preparing.prepare(asked("😀" * 10**6))


def test_special_tokens_are_shown_to_those_who_look_for_them(tmp_path: Path) -> None:
    template = "{{ messages }}{{ tools }}<|im_start|> <tool_call>"
    directory = tiny_gguf(tmp_path / "m", chat_template=template)
    spec = Load(VERSION, "m", str(directory), 256, 1, 2**32, 0, Format.GGUF)
    backend = opened_gguf(spec)
    backend.preparing.close()
    language = backend.language
    assert set(language.control_tokens) >= {"<|im_start|>", "<|im_end|>"}
    end = min(language.end_tokens)
    assert language.new_text_stream().add(end) == ""
    assert language.new_text_stream(("<|im_end|>",)).add(end) == "<|im_end|>"
