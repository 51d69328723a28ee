"""Models that are broken or hostile, on real workers: a reason in words, and the host goes on."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.domain.engine import LoadFailure, LoadSpec
from app.domain.generation import (
    ChatPrompt,
    Finished,
    Prompt,
    Sampling,
    Sequence,
    TextPrompt,
)
from app.domain.refusals import PromptRejected
from app.engines.supervisor import WorkerHost
from app.engines.worker_engine import WorkerEngine
from tests.models import tiny_model, write_safetensors

CHAT = ChatPrompt(({"role": "user", "content": "hello"},))
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
REACH = "{{ messages.__class__.__mro__[1].__subclasses__() }}"


async def last_of(engine: WorkerEngine, prompt: Prompt, max_tokens: int) -> Finished:
    asked = Sequence("one", prompt, Sampling(max_tokens=max_tokens))
    *_, last = [event async for event in engine.generate(None, asked)]
    assert isinstance(last, Finished)
    return last


async def failure_of(host: WorkerHost, spec: LoadSpec) -> LoadFailure:
    with pytest.raises(LoadFailure) as failed:
        await host.start(None, spec)
    return failed.value


async def test_a_looping_template_costs_its_prompt_a_second_and_others_nothing(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    directory = tiny_model(tmp_path, context=2048, chat_template=LOOP)
    engine = await host.start(None, replace(spec, directory=directory))
    neighbour = asyncio.ensure_future(last_of(engine, TextPrompt("hello"), 300))
    with pytest.raises(PromptRejected, match="longer than 1 s"):
        await last_of(engine, CHAT, 5)
    assert (await neighbour).completion_tokens == 300
    assert (await last_of(engine, TextPrompt("hello"), 5)).completion_tokens == 5


async def test_a_template_that_reaches_for_attributes_is_rejected_by_name(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    directory = tiny_model(tmp_path, context=2048, chat_template=REACH)
    engine = await host.start(None, replace(spec, directory=directory))
    with pytest.raises(PromptRejected, match="chat template"):
        await last_of(engine, CHAT, 5)


async def test_a_model_without_a_template_says_where_to_go(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    directory = tiny_model(tmp_path, context=2048, chat_template=None)
    engine = await host.start(None, replace(spec, directory=directory))
    with pytest.raises(PromptRejected, match="/v1/completions"):
        await last_of(engine, CHAT, 5)


async def test_truncated_weights_do_not_load(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    weights = tiny_model(tmp_path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    failure = await failure_of(host, replace(spec, directory=tmp_path))
    assert not failure.out_of_memory
    assert "Traceback" not in failure.reason


async def test_weights_that_are_not_numbers_fail_the_canary(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    tiny_model(tmp_path)
    header = (tmp_path / "model.safetensors").read_bytes()
    size = int.from_bytes(header[:8], "little")
    shapes = {
        name: entry["shape"]
        for name, entry in json.loads(header[8 : 8 + size]).items()
        if name != "__metadata__"
    }
    nothing = {name: np.full(shape, np.nan, np.float32) for name, shape in shapes.items()}
    write_safetensors(tmp_path / "model.safetensors", nothing)
    failure = await failure_of(host, replace(spec, directory=tmp_path))
    assert "canary" in failure.reason


async def test_a_model_that_takes_more_than_promised_is_out_of_memory(
    host: WorkerHost, spec: LoadSpec, tmp_path: Path
) -> None:
    directory = tiny_model(tmp_path, hidden=512, layers=8, vocab=900)
    failure = await failure_of(host, replace(spec, directory=directory, memory_limit_bytes=2**20))
    assert failure.out_of_memory
