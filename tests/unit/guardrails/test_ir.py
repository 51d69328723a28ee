"""Graphs, their hashes and definitions as bytes."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from app.authority.guardrails.definitions import from_bytes, to_bytes
from app.authority.guardrails.ir import (
    LEFT_OUT,
    binding_hash,
    define,
    intact,
    ir_hash,
    ir_of,
    normal_form,
)
from app.authority.guardrails.normal import normal
from app.authority.guardrails.strategies import registry
from app.authority.guardrails.strategies.base import Parameter
from app.authority.guardrails.values import Action, Point, Reference, Scope
from app.domain.refusals import GuardrailsInvalid
from tests.unit.guardrails import ir_vectors as vectors
from tests.unit.guardrails.guarded import (
    above,
    both,
    defined,
    either,
    leaf,
    no,
    one_of,
    resolution,
    rises,
)

ROOT = Path(__file__).resolve().parents[3]
NESTED = both(
    above("model_size", 20e9),
    either(one_of("model_format", "gguf", "other"), no(above("model_size", 1))),
)


# --- golden vectors -------------------------------------------------------------------------


@pytest.mark.parametrize("name", vectors.GRAPHS)
def test_a_graph_has_the_normal_form_and_the_hash_in_the_file(name: str) -> None:
    written = vectors.GRAPHS[name]
    assert vectors.normal_of(name) == written["normal"]
    assert hashlib.sha256(written["normal"].encode()).hexdigest() == written["hash"]
    assert vectors.hash_of(name) == written["hash"]


def test_exactly_the_pairs_that_mean_the_same_have_one_hash() -> None:
    groups = {name: {name} for name in vectors.GRAPHS}
    for one, other in vectors.VECTORS["equal"]:
        together = groups[one] | groups[other]
        for name in together:
            groups[name] = together
    assert len(vectors.VECTORS["equal"]) > 20
    for one, other in combinations(vectors.GRAPHS, 2):
        same = vectors.GRAPHS[one]["hash"] == vectors.GRAPHS[other]["hash"]
        assert same is (other in groups[one]), (one, other)


@pytest.mark.parametrize("name", vectors.REFUSED)
def test_what_has_no_normal_form_is_refused_with_a_sentence(name: str) -> None:
    written = vectors.REFUSED[name]
    with pytest.raises(GuardrailsInvalid) as refused:
        ir_hash(vectors.value_of(written["ir"]))
    assert written["says"] in refused.value.message
    assert refused.value.details["errors"][0]["path"].startswith("/")


@pytest.mark.parametrize("name", vectors.BINDINGS)
def test_a_binding_has_the_hash_in_the_file(name: str) -> None:
    assert vectors.bound_of(name) == vectors.BINDINGS[name]["hash"]


def test_a_binding_differs_where_anything_that_decides_does() -> None:
    hashes = {name: each["hash"] for name, each in vectors.BINDINGS.items()}
    for one, other in vectors.VECTORS["equal_bindings"]:
        assert hashes[one] == hashes.pop(other)
    assert len(set(hashes.values())) == len(hashes) > 5


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_a_fresh_process_gives_the_same_hashes_under_any_hash_seed(seed: str) -> None:
    path = os.pathsep.join([str(ROOT / "services/api"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.guardrails.ir_vectors"],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == vectors.all_hashes()


# --- graphs ---------------------------------------------------------------------------------


def test_a_graph_joins_primitives_conditions_points_and_the_action() -> None:
    graph = ir_of("large", 3, resolution(NESTED, points=(Point.PULL, Point.LOAD)))
    nodes = {node["node_id"]: node for node in graph["nodes"]}
    assert (graph["concept_id"], graph["version"], graph["output_node_id"]) == (
        "large",
        3,
        "action",
    )
    assert len(nodes) == len(graph["nodes"])
    assert set(nodes) == {
        "action",
        "points",
        "when",
        "when.0",
        "when.1",
        "when.1.0",
        "when.1.1",
        "when.1.1.0",
        "primitive:model_size@1/all",
        "primitive:model_format@1/all",
    }
    assert nodes["when.1"]["op"] == "composite@1"
    assert nodes["when.1.0"]["params"]["values"] == ("gguf", "other")
    ends = {(edge["from"], edge["to"], edge["slot"]) for edge in graph["edges"]}
    assert ("when.1.1", "when.1", "1") in ends
    assert ("primitive:model_size@1/all", "when.1.1.0", "0") in ends
    assert ("when", "action", "0") in ends


def test_metadata_is_left_out_and_nothing_else() -> None:
    graph = ir_of("large", 1, resolution(NESTED))
    said = json.loads(normal_form({**graph, **dict.fromkeys(LEFT_OUT, "x")}))
    assert set(said) == set(graph)


@pytest.mark.parametrize(
    "other",
    [
        define("b", 1, resolution(NESTED)),
        define("a", 2, resolution(NESTED)),
        define("a", 1, resolution(NESTED, action=Action.ALERT)),
        define("a", 1, resolution(NESTED, points=(Point.PULL,))),
        define("a", 1, resolution(above("model_size", 20e9))),
        define("a", 1, resolution(both(*reversed(NESTED.operands)))),
        define("a", 1, resolution(Reference("x", 1))),
    ],
    ids=["id", "version", "action", "points", "condition", "operands' order", "reference"],
)
def test_a_definition_that_says_something_else_has_other_hashes(other) -> None:  # type: ignore[no-untyped-def]
    one = define("a", 1, resolution(NESTED))
    assert one.ir_hash != other.ir_hash
    assert one.binding_hash != other.binding_hash


def test_the_document_is_in_the_binding_hash_alone() -> None:
    one, other = (define("a", 1, resolution(NESTED, guardrails=g * 64)) for g in "de")
    assert one.ir_hash == other.ir_hash
    assert one.binding_hash != other.binding_hash


def test_points_and_values_are_sets() -> None:
    one = defined("a", one_of("model_format", "gguf", "other"), points=(Point.LOAD, Point.PULL))
    other = defined("a", one_of("model_format", "other", "gguf"), points=(Point.PULL, Point.LOAD))
    assert (one.ir_hash, one.binding_hash) == (other.ir_hash, other.binding_hash)


def test_a_parameter_that_its_strategy_marks_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    equals = registry.strategy("equals", 1)
    marked = dataclasses.replace(
        equals.signature,
        parameters={**equals.signature.parameters, "values": Parameter(type="texts", ordered=True)},
    )
    monkeypatch.setattr(type(equals), "signature", marked)
    one, other = (
        defined("a", one_of("model_format", *values)) for values in (("a", "b"), ("b", "a"))
    )
    assert one.ir_hash != other.ir_hash
    assert one.binding_hash != other.binding_hash


def test_scopes_and_versions_are_in_the_binding() -> None:
    one = leaf("latency", "threshold", direction="above", value=1)
    hashes = {
        binding_hash("0" * 64, each, "d" * 64)
        for each in (
            one,
            dataclasses.replace(one, scope=Scope.MODEL),
            dataclasses.replace(one, primitive_version=2),
            dataclasses.replace(one, params={"direction": "above", "value": 2}),
        )
    }
    assert len(hashes) == 4


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(GuardrailsInvalid, match="a set is no JSON"):
        normal({"values": {"a"}})


# --- definitions ----------------------------------------------------------------------------


def test_a_definition_comes_back_from_its_bytes_as_it_was() -> None:
    one = defined("a", both(NESTED, rises("latency", 0.5, Scope.MODEL), Reference("b", 7)))
    assert from_bytes(to_bytes(one)) == one
    assert to_bytes(from_bytes(to_bytes(one))) == to_bytes(one)
    assert intact(from_bytes(to_bytes(one)))


def test_numbers_that_are_worth_the_same_are_the_same_bytes() -> None:
    one, other = (defined("a", above("model_size", value)) for value in (20_000_000_000, 2e10))
    assert to_bytes(one) == to_bytes(other)


@pytest.mark.parametrize("value", [1e17, 2.0**53, 1e300, -1e19, 0.1, 5e-324])
def test_any_double_comes_back(value: float) -> None:
    one = defined("a", above("latency", value))
    again = from_bytes(to_bytes(one))
    assert again == one
    assert to_bytes(again) == to_bytes(one)


def test_a_definition_whose_bytes_say_something_else_is_not_intact() -> None:
    altered = to_bytes(defined("a", above("model_size", 20))).replace(b'"value":20', b'"value":21')
    assert not intact(from_bytes(altered))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"v":2}', b'{"v":1,"id":"a"}', b"null", b'{"v":1,"intent":[]}'],
)
def test_bytes_of_another_shape_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no definition"):
        from_bytes(content)
