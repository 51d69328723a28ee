"""Prompts that were read before save reading, and never change an answer."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx import nn
from mlx_lm.models.cache import KVCache, make_prompt_cache
from mlx_lm.models.lfm2 import Model as Hybrid
from mlx_lm.models.lfm2 import ModelArgs as HybridArgs

from app.domain.generation import Sampling, TokenPrompt
from app.engines.protocol import Cancel, FromWorker, Generate, SequenceFinished
from app.engines.worker.backend import Prepared
from app.engines.worker.batch import Batch
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.prefixes import Prefixes
from app.engines.worker.running import Running
from app.engines.worker.voice import Outgoing
from tests.models import tiny_model

LIMIT = 2**28
WINDOW = 48


def words(count: int, seed: int) -> list[int]:
    draw = random.Random(seed)
    return [draw.randrange(40, 120) for _ in range(count)]


SYSTEM = words(150, seed=1)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model"), context=4096)


def plain(directory: Path) -> LoadedModel:
    return load(directory, memory_limit_bytes=2**34)


def quantized(directory: Path) -> LoadedModel:
    model = plain(directory)
    nn.quantize(model.model, group_size=32, bits=4)
    return model


def sliding(directory: Path) -> LoadedModel:
    """One layer sees a window only, so its cache cannot be cut once the window has moved."""
    copied = tiny_model(directory.parent / "sliding", context=4096)
    config = json.loads((copied / "config.json").read_text("utf-8"))
    config |= {
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": WINDOW,
    }
    (copied / "config.json").write_text(json.dumps(config), "utf-8")
    return plain(copied)


def recurrent(directory: Path) -> LoadedModel:
    """One layer keeps a state of everything before: it is of use at its own place only."""
    mx.random.seed(7)
    arguments = {
        "model_type": "lfm2",
        "vocab_size": 320,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "norm_eps": 1e-5,
        "conv_bias": False,
        "conv_L_cache": 3,
        "block_dim": 64,
        "block_ff_dim": 128,
        "block_multiple_of": 32,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False,
        "full_attn_idxs": [1],
        "rope_theta": 10000.0,
    }
    hybrid = Hybrid(HybridArgs.from_dict(arguments))
    for layer in hybrid.layers:
        if layer.is_attention_layer:  # random weights hardly look back: answers would tell nothing
            layer.self_attn.out_proj.weight *= 10
    mx.eval(hybrid.parameters())
    return replace(plain(directory), model=hybrid)


MAKERS = (plain, quantized, sliding, recurrent)


@pytest.fixture(scope="module", params=MAKERS, ids=lambda maker: maker.__name__)
def any_model(request: pytest.FixtureRequest, directory: Path) -> LoadedModel:
    made: LoadedModel = request.param(directory)
    return made


@pytest.fixture(scope="module")
def model(directory: Path) -> LoadedModel:
    return plain(directory)


@pytest.fixture(scope="module")
def moving(directory: Path) -> LoadedModel:
    return sliding(directory)


def prepared(handle: int, tokens: list[int], *, scope: str = "", max_tokens: int = 8) -> Prepared:
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=max_tokens)
    asked = Generate(handle, TokenPrompt(tuple(tokens)), sampling, scope)
    return Prepared(handle, list(tokens), max_tokens, asked)


class Recording(Batch):
    """Keeps every token, as text alone may hide a difference."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.drawn: dict[int, list[int]] = {}

    def _advance(self, running: Running, response: Any, out: Outgoing) -> None:
        self.drawn.setdefault(running.prepared.handle, []).append(response.token)
        super()._advance(running, response, out)


class Asking:
    """One loop that remembers, asked again and again."""

    def __init__(self, model: LoadedModel, *, limit: int = LIMIT, slots: int = 4) -> None:
        self.prefixes = Prefixes(limit_bytes=limit)
        self.model = model
        self._slots = slots
        self._handles = iter(range(1, 10_000))

    def together(self, *prompts: list[int], scope: str = "") -> list[tuple[list[int], int]]:
        """The tokens of each answer, and how many of its prompt were remembered."""
        sent: list[FromWorker] = []
        batch = self.loop(sent)
        asked = [prepared(next(self._handles), prompt, scope=scope) for prompt in prompts]
        for item in asked:
            batch._accept(item)
        while batch._waiting or batch._running:
            batch._fill()
            batch.step()
        cached = {m.handle: m.cached_tokens for m in sent if isinstance(m, SequenceFinished)}
        return [(batch.drawn[one.handle], cached[one.handle]) for one in asked]

    def loop(self, sent: list[FromWorker]) -> Recording:
        return Recording(
            self.model,
            slots=self._slots,
            send=sent.extend,
            over_memory=lambda: False,
            prefixes=self.prefixes,
        )

    def __call__(self, prompt: list[int], *, scope: str = "") -> tuple[list[int], int]:
        return self.together(prompt, scope=scope)[0]


def forgetful(model: LoadedModel, prompt: list[int]) -> list[int]:
    return Asking(model, limit=0)(prompt)[0]


def test_a_chat_that_shares_a_system_prompt_has_the_same_answer(any_model: LoadedModel) -> None:
    ask = Asking(any_model)
    found = []
    for seed in range(2, 6):
        prompt = SYSTEM + words(20, seed)
        answer, cached = ask(prompt)
        assert answer == forgetful(any_model, prompt)
        found.append(cached)
    assert found[0] == 0
    assert found[-1] in (len(SYSTEM), len(SYSTEM) // 16 * 16)


def test_a_chat_that_grows_reads_only_what_is_new(any_model: LoadedModel) -> None:
    ask = Asking(any_model)
    prompt = words(100, 3)
    answer, _ = ask(prompt)
    for seed in range(4, 8):
        known = len(prompt) + len(answer)
        prompt = prompt + answer + words(10, seed)
        answer, cached = ask(prompt)
        assert answer == forgetful(any_model, prompt)
        assert cached in (known, known // 16 * 16)


def test_the_same_prompt_again_leaves_something_to_read(any_model: LoadedModel) -> None:
    ask = Asking(any_model)
    for length in (16, 17, 96, 97, 200):
        prompt = words(length, length)
        whole = forgetful(any_model, prompt)
        answers = [ask(prompt) for _ in range(3)]
        assert [answer for answer, _ in answers] == [whole] * 3
        assert answers[0][1] == 0
        assert answers[2][1] < length


def test_prompts_of_one_burst_answer_as_alone(any_model: LoadedModel) -> None:
    ask = Asking(any_model)
    ask(SYSTEM + words(30, 1))
    prompts = [SYSTEM + words(10 * n, 40 + n) for n in range(1, 4)] + [words(50, 9), words(700, 8)]
    expected = [forgetful(any_model, prompt) for prompt in prompts]
    for _ in range(2):
        assert [answer for answer, _ in ask.together(*prompts)] == expected


def test_the_first_of_a_burst_has_read_the_prompt_for_all(model: LoadedModel) -> None:
    prompt = words(200, 5)
    answers = Asking(model).together(prompt, prompt, prompt)
    assert [cached for _, cached in answers] == [0, 192, 192]


def test_scopes_share_nothing(model: LoadedModel) -> None:
    ask = Asking(model)
    prompt = words(100, 5)
    assert ask(prompt, scope="one")[1] == 0
    assert ask(prompt, scope="two")[1] == 0
    assert ask(prompt)[1] == 0
    assert ask(prompt, scope="one")[1] == 96


def test_a_shared_beginning_becomes_of_use_to_a_cache_that_cannot_be_cut(
    moving: LoadedModel,
) -> None:
    ask = Asking(moving)
    cached = [ask(SYSTEM + words(80, seed))[1] for seed in (11, 12, 13, 14)]
    assert cached == [0, 0, 150, 150]


def test_what_was_read_of_a_cancelled_prompt_is_remembered(any_model: LoadedModel) -> None:
    ask, long = Asking(any_model), words(1500, 21)
    batch = ask.loop([])
    batch._accept(prepared(1, words(20, 20), max_tokens=50))
    batch._accept(prepared(2, long))
    for _ in range(8):
        batch._fill()
        batch.step()
    batch._accept(Cancel(2))
    answer, cached = ask(long)
    assert 100 <= cached < 1499
    assert answer == forgetful(any_model, long)


def test_a_remembered_cache_is_never_written_to(any_model: LoadedModel) -> None:
    ask = Asking(any_model)
    one, other = SYSTEM + words(30, 1), SYSTEM + words(400, 2)
    first = ask(one)[0]
    ask.together(other, one, SYSTEM + words(5, 3))
    assert ask(one)[0] == first


def per_token(model: LoadedModel) -> int:
    cache = make_prompt_cache(model.model)
    model.model(mx.array([words(10, 1)]), cache=cache)
    return sum(layer.nbytes // layer.keys.shape[2] for layer in cache)


def test_many_prompts_stay_below_the_limit_in_truth(any_model: LoadedModel) -> None:
    limit = 400 * 2 * 2 * 2 * 16 * 4
    ask = Asking(any_model, limit=limit)
    ask(words(100, 1))
    mx.clear_cache()
    before = mx.get_active_memory() - ask.prefixes.held_bytes
    for seed in range(14):
        ask.together(words(60 + seed * 7, seed), SYSTEM + words(30, seed))
        assert ask.prefixes.held_bytes <= limit
    assert ask.prefixes.held_bytes > limit // 4
    held = mx.get_active_memory() - before
    # An allocator rounds up; a cache that kept a whole batch alive would take several times that.
    assert held <= ask.prefixes.held_bytes * 1.25 + 2**15


def test_a_system_prompt_of_many_outlives_prompts_that_nobody_repeats(model: LoadedModel) -> None:
    ask = Asking(model, limit=500 * per_token(model))
    for seed in (1, 2, 3):
        ask(SYSTEM + words(20, seed))
    for seed in range(10, 30):
        ask(words(150, seed))
    assert ask(SYSTEM + words(20, 4))[1] == len(SYSTEM) // 16 * 16


def test_what_was_shared_once_does_not_stay_for_ever(model: LoadedModel) -> None:
    ask = Asking(model, limit=500 * per_token(model))
    for seed in range(1, 12):
        for tail in (1, 2):
            ask(words(100, seed) + words(20, 50 + tail))
    assert ask(words(100, 1) + words(20, 60))[1] == 0
    assert ask(words(100, 11) + words(20, 60))[1] == 96


def test_a_beginning_is_held_once_however_many_follow_it(model: LoadedModel) -> None:
    ask = Asking(model)
    for seed in range(8):
        ask(SYSTEM + words(18, seed))
    assert ask.prefixes.held_bytes <= (144 + 8 * 32) * per_token(model)


def test_a_limit_of_nothing_remembers_nothing() -> None:
    prefixes = Prefixes(limit_bytes=0)
    assert not prefixes.wanted
    prefixes.put("", words(100, 1), [KVCache()])
    assert prefixes.take("", words(100, 1)).length == 0


def test_what_is_larger_than_the_limit_costs_nothing_else(model: LoadedModel) -> None:
    ask = Asking(model, limit=200 * per_token(model))
    ask(words(100, 1))
    ask(words(300, 2))
    assert ask(words(100, 1))[1] == 96


def test_everything_can_be_forgotten_at_once(model: LoadedModel) -> None:
    ask = Asking(model)
    prompt = words(100, 1)
    ask(prompt)
    ask.prefixes.clear()
    assert ask.prefixes.held_bytes == 0
    assert ask(prompt)[1] == 0
    assert ask(prompt)[1] == 96
