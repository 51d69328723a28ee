"""The question of the advisor `llm`, put to real weights under its schema: random ones, which know
nothing, and so say whatever the schema lets through."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from app._experimental.llm import LLM
from app.authority.advice.untrusted import read
from app.domain.advice.frames import Answer, Question
from app.domain.advice.proposals import Proposal
from app.domain.generation import Constraint, FinishReason, Form, Sampling, TextPrompt
from app.engines.protocol import Generate, SequenceFinished
from app.engines.worker.backend import Prepared
from app.engines.worker.constraints import Constraints
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.markers import NO_MARKERS
from tests.fakes.advisors import advised
from tests.fakes.snapshots import in_memory, model, snapshot
from tests.models import tiny_model
from tests.unit.engines.test_batch import ends, run, texts

FACTS = snapshot(
    models={
        "a/idle": in_memory(),
        "a/kept": in_memory(pinned=True),
        "b/busy": model(requests=900, longest_tokens=700, terms_context=16_384),
    }
)
SEEDS = range(1, 5)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory: Path = tmp_path_factory.mktemp("model")
    made = tiny_model(directory, ends=True, alphabet="bytes", context=2048)
    return load(made, memory_limit_bytes=2**34)


def answers(weights: LoadedModel, question: Question) -> list[tuple[str, bool]]:
    """For each seed the text, and whether it came to its end."""
    constraints = Constraints(
        weights.tokenizer,
        vocab_size=weights.vocab_size,
        ends=weights.end_tokens,
        markers=NO_MARKERS,
    )
    prepared = []
    for seed in SEEDS:
        sampling = Sampling(
            constraint=Constraint(Form.SCHEMA, dict(question.schema)),
            max_tokens=question.max_tokens,
            seed=seed,
        )
        asked = Generate(seed, TextPrompt("x"), sampling)
        held = constraints.compile(asked, "")
        prepared.append(Prepared(seed, [65, 66], question.max_tokens, asked, "", held))
    sent = run(weights, prepared, slots=4)
    said, ended = texts(sent), ends(sent)
    assert all(isinstance(one, SequenceFinished) for one in ended.values())
    return [
        (said.get(seed, ""), getattr(ended[seed], "reason", None) is FinishReason.STOP)
        for seed in SEEDS
    ]


def narrowed(question: Question) -> Question:
    """One suggestion with a short reason: what fits this schema fits that of the question,
    and random weights come to an end of it."""
    schema = json.loads(json.dumps(question.schema))
    items = schema["properties"]["proposals"]
    items.update(minItems=1, maxItems=1)
    items["items"]["properties"]["reason"]["maxLength"] = 12
    return replace(question, schema=schema, max_tokens=400)


@pytest.mark.slow
def test_what_comes_back_parses_or_is_nothing(weights: LoadedModel) -> None:
    question = next(LLM.advise(FACTS))
    assert isinstance(question, Question)
    made: list[Proposal] = []
    for text, ended in answers(weights, narrowed(question)):
        proposals = advised(LLM, FACTS, lambda _, text=text: Answer(text))  # type: ignore[misc]
        assert ended or not proposals, "it was cut, and something was made of it"
        assert not ended or jsonschema.validate(json.loads(text), dict(question.schema)) is None
        made += proposals
    assert made
    assert {one.target for one in made} <= set(FACTS.models)
    assert [read(one.as_plain()) for one in made] == made
