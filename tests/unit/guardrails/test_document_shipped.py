"""The guardrails that ship: they read, say everything once, and editors know them."""

import json

import jsonschema
import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.document.tasks import read_tasks
from app.authority.guardrails.document.tree import read_tree
from app.authority.guardrails.ir import define
from app.authority.guardrails.primitives import PRIMITIVES, SERIES
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.values import Action, Composite, Leaf, Operator, Point, ValueType
from app.domain.licences import claimed
from app.settings import TEMPLATES
from tests.fakes.guardrails_text import TEXT, edited

DOCUMENT = (TEMPLATES / "guardrails.yaml").read_text("utf-8")
TASKS = {
    task.id: task.intent
    for task in read_tasks((TEMPLATES / "guardrails-tasks.yaml").read_text("utf-8"))
}
SCHEMA = json.loads((TEMPLATES / "guardrails.schema.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def shipped() -> Guardrails:
    return read(DOCUMENT, "yaml")


def test_everything_that_can_be_watched_has_words(shipped: Guardrails) -> None:
    assert shipped.document.primitives.keys() == PRIMITIVES.keys()
    assert shipped.document.strategies.keys() == STRATEGIES.keys()
    assert set(shipped.document.type_compatibility) == set(ValueType)


def test_whatever_is_a_number_has_a_threshold_for_each_tier(shipped: Guardrails) -> None:
    numbers = {*SERIES, ValueType.INT, ValueType.FLOAT}
    for name, primitive in PRIMITIVES.items():
        priors = shipped.document.primitives[name].priors
        assert ("threshold" in priors) == (primitive.type in numbers), name
        assert all(priors["threshold"].keys() == {"low", "medium", "high"} for _ in priors)


def test_no_prior_for_change_is_more_than_anything_can_fall_by(shipped: Guardrails) -> None:
    document = shipped.document
    found = [guide.priors.get("change", {}) for guide in document.primitives.values()]
    for priors in (*found, document.defaults.priors["change"]):
        assert all(value is not None and value < 1 for value in priors.values())


def test_four_guardrails_ship(shipped: Guardrails) -> None:
    assert sorted(TASKS) == [
        "blocked-attempts",
        "known-sources",
        "large-models",
        "verified-formats",
    ]
    for task, intent in TASKS.items():
        assert define(task, 1, resolve(intent, shipped)).resolution.intent.text == intent


def test_models_in_unverified_formats_are_blocked(shipped: Guardrails) -> None:
    resolution = resolve(TASKS["verified-formats"], shipped)
    assert resolution.intent.action is Action.BLOCK
    assert set(resolution.intent.points) == {Point.LOAD, Point.PULL}
    leaf = resolution.condition
    assert isinstance(leaf, Leaf)
    assert (leaf.primitive, leaf.strategy) == ("model_format", "equals")
    assert leaf.params == {"values": ("gguf", "safetensors"), "negate": True}


def test_unusually_large_models_are_asked_about(shipped: Guardrails) -> None:
    resolution = resolve(TASKS["large-models"], shipped)
    assert resolution.intent.action is Action.REQUIRE_APPROVAL
    assert resolution.intent.points == (Point.LOAD,)
    leaf = resolution.condition
    assert isinstance(leaf, Leaf)
    assert (leaf.primitive, leaf.strategy) == ("model_memory_share", "threshold")
    assert leaf.params == {"direction": "above", "value": 0.5}


def test_a_sharp_rise_of_blocked_attempts_is_told(shipped: Guardrails) -> None:
    resolution = resolve(TASKS["blocked-attempts"], shipped)
    assert resolution.intent.action is Action.ALERT
    assert resolution.intent.points == (Point.TICK,)
    both = resolution.condition
    assert isinstance(both, Composite)
    assert both.operator is Operator.AND
    found = {leaf.strategy: leaf.params for leaf in both.operands if isinstance(leaf, Leaf)}
    assert found == {
        "change": {"direction": "increase", "value": 0.8, "window": 3600},
        "threshold": {"direction": "above", "value": 10},
    }


def test_pulls_from_unknown_sources_are_blocked(shipped: Guardrails) -> None:
    resolution = resolve(TASKS["known-sources"], shipped)
    assert resolution.intent.action is Action.BLOCK
    assert resolution.intent.points == (Point.PULL,)
    leaf = resolution.condition
    assert isinstance(leaf, Leaf)
    assert (leaf.primitive, leaf.params["negate"]) == ("model_publisher", True)
    assert "lmx" in str(leaf.params["values"])


@pytest.mark.parametrize("word", ["licence", "license"])
def test_pulls_under_licences_that_are_not_open_can_be_asked_about(
    shipped: Guardrails, word: str
) -> None:
    intent = f"Require approval before pulling a model whose {word} is not open"
    resolution = resolve(intent, shipped)
    assert resolution.intent.action is Action.REQUIRE_APPROVAL
    assert resolution.intent.points == (Point.PULL,)
    leaf = resolution.condition
    assert isinstance(leaf, Leaf)
    assert (leaf.primitive, leaf.params["negate"]) == ("model_licence", True)
    assert leaf.params["values"] == shipped.document.domain.sets["open_licences"]
    assert all(claimed(licence) == licence for licence in leaf.params["values"])


@pytest.mark.parametrize(
    "said", ['publisher is "Qwen"', 'licence is "MIT"', 'quantization is "Q4_K_M"']
)
def test_what_is_read_in_lower_case_is_compared_in_lower_case(
    shipped: Guardrails, said: str
) -> None:
    leaf = resolve(f"Block pulling a model whose {said}", shipped).condition
    assert isinstance(leaf, Leaf)
    assert leaf.params["values"] == (said.split('"')[1].lower(),)


def test_editors_know_the_shipped_document(shipped: Guardrails) -> None:
    assert DOCUMENT.startswith("# yaml-language-server: $schema=guardrails.schema.json\n")
    assert shipped.document.version == 1
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(read_tree(DOCUMENT).value, SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: small", "nane: small"),
        ("z_score: {enabled: true}", "z_scores: {enabled: true}"),
        ("words: [latency]", "words: []"),
        ("preferred: [threshold, percentile]", "preferred: [treshold]"),
        ("change: 1h", "change: an hour"),
        ("early: -1", "early: -3"),
        ("disallowed_primitives: [actor]", "disallowed_primitives: [actors]"),
        ("low: [slightly]", "lower: [slightly]"),
    ],
)
def test_editors_mark_what_the_reader_refuses(old: str, new: str) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    assert validator.is_valid(read_tree(TEXT).value)
    assert not validator.is_valid(read_tree(edited(old, new)).value)


def test_editors_have_a_sentence_for_every_section_and_primitive() -> None:
    properties = SCHEMA["properties"]
    for name, field in properties.items():
        assert field.get("description") or "$ref" in field, name
    for name, guide in properties["primitives"]["properties"].items():
        assert PRIMITIVES[name].meaning in guide["description"]
