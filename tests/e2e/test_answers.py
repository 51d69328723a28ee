"""Answers are exact: counts, seeds, stops, and the same text streamed or not, alone or batched."""

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.asking import TINY, chat, complete, tokens_of
from tests.e2e.server import RunningServer
from tests.models import CHAT_TEMPLATE

SEEDED: dict[str, Any] = {"temperature": 1, "seed": 1234, "n": 3, "max_tokens": 60}


def texts(answer: dict[str, Any]) -> list[str]:
    return [c["text"] for c in sorted(answer["choices"], key=lambda c: c["index"])]


def streamed(server: RunningServer, prompt: str, **more: Any) -> list[str]:
    """The text of each choice, put together from a stream that must end well."""
    body = {"model": TINY, "prompt": prompt, "stream": True, **more}
    found: dict[int, str] = defaultdict(str)
    with httpx.stream("POST", f"{server.url}/v1/completions", json=body, timeout=120) as response:
        assert response.status_code == 200
        # A stream that was quiet for a while has comments too.
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    for line in lines:
        for choice in json.loads(line)["choices"]:
            found[choice["index"]] += choice["text"]
    return [found[index] for index in sorted(found)]


def test_streamed_text_equals_unstreamed_with_a_seed(tiny: RunningServer) -> None:
    plain = texts(complete(tiny, "tell me", **SEEDED))
    assert streamed(tiny, "tell me", **SEEDED) == plain
    assert len(set(plain)) == 3


def test_a_seed_gives_the_same_text_while_batched_with_others(tiny: RunningServer) -> None:
    alone = texts(complete(tiny, "tell me", **SEEDED))
    with ThreadPoolExecutor(6) as pool:
        others = [
            pool.submit(complete, tiny, f"other {number}", max_tokens=150, temperature=1)
            for number in range(2)
        ]
        plain = pool.submit(complete, tiny, "tell me", **SEEDED)
        stream = pool.submit(streamed, tiny, "tell me", **SEEDED)
        assert texts(plain.result()) == alone
        assert stream.result() == alone
        for other in others:
            assert other.result()["usage"]["completion_tokens"] == 150


def test_usage_counts_are_those_of_the_tokenizer(tiny: RunningServer) -> None:
    prompts = ["the other", "ein größeres Stück – 漢字"]
    usage = complete(tiny, prompts, max_tokens=7, n=2)["usage"]
    # A prompt is read once for each of its choices' sequences and counted once, as OpenAI does.
    assert usage["prompt_tokens"] == sum(len(tokens_of(prompt)) for prompt in prompts)
    assert usage["completion_tokens"] == 2 * 2 * 7
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_chat_counts_what_its_template_adds(tiny: RunningServer) -> None:
    assert CHAT_TEMPLATE.startswith("{% for m in messages %}<|im_start|>")
    rendered = "<|im_start|>user\nhello there<|im_end|>\n<|im_start|>assistant\n"
    answer = chat(tiny, "hello there", max_completion_tokens=5).json()
    assert answer["usage"]["prompt_tokens"] == len(tokens_of(rendered))
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_stop_string_across_token_boundaries_ends_the_text_before_it(
    tiny: RunningServer, width: int
) -> None:
    asked: dict[str, Any] = {"temperature": 1, "seed": 7, "max_tokens": 60}
    whole = texts(complete(tiny, "go on", **asked))[0]
    stop = whole[20 : 20 + width]
    cut = whole[: whole.index(stop)]
    answer = complete(tiny, "go on", stop=["never said by it", stop], **asked)
    assert texts(answer) == [cut]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert streamed(tiny, "go on", stop=stop, **asked) == [cut]


def test_a_list_of_prompts_is_answered_in_order_and_the_server_lives(tiny: RunningServer) -> None:
    answer = complete(tiny, ["a", "b"], max_tokens=4, temperature=0)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    one_by_one = [texts(complete(tiny, p, max_tokens=4, temperature=0))[0] for p in ("a", "b")]
    assert texts(answer) == one_by_one


def test_token_arrays_are_the_same_prompt_as_their_text(tiny: RunningServer) -> None:
    asked: dict[str, Any] = {"max_tokens": 8, "temperature": 0}
    ids = tokens_of("the other")
    expected = texts(complete(tiny, "the other", **asked))
    assert texts(complete(tiny, ids, **asked)) == expected
    assert texts(complete(tiny, [ids, ids], **asked)) == expected * 2
