"""Hashes of graphs: equal if and only if the normal forms are, whatever order things come in."""

import copy
import random
from decimal import Decimal
from typing import Any

import rfc8785
from hypothesis import assume, given
from hypothesis import strategies as st

from app.authority.guardrails.ir import ir_hash, normal_form
from app.authority.guardrails.normal import LARGEST, in_order, normal, to_json

numbers = (
    st.integers(-LARGEST, LARGEST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-1000, 1000, places=2)
)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=6)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(["n0", "n1", "n2", "n3"])


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(st.lists(names, unique=True, min_size=1))
    nodes = []
    for node_id in ids:
        node = {
            "node_id": node_id,
            "op": draw(st.sampled_from(["threshold@1", "equals@1"])),
            "inputs": {
                str(slot): name for slot, name in enumerate(draw(st.lists(names, max_size=2)))
            },
            "params": draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), values, max_size=3)),
            "output_type": "decision<boolean>",
        }
        marked = draw(st.lists(st.sampled_from(["a", "b"]), unique=True))
        nodes.append(node | ({"ordered": marked} if marked else {}))
    edges = st.fixed_dictionaries({"from": names, "to": names, "slot": st.integers(0, 3)})
    return {
        "concept_id": draw(st.sampled_from(["x", "y"])),
        "version": draw(st.integers(1, 3)),
        "nodes": nodes,
        "edges": draw(st.lists(edges, max_size=4)),
        "output_node_id": ids[0],
        "output_type": "action",
    }


def shuffled(value: Any, chance: random.Random, *, keep: bool) -> Any:
    """The same with keys (and, unless `keep`, lists) in another order, all the way down."""
    if isinstance(value, dict):
        pairs = [(key, shuffled(item, chance, keep=keep)) for key, item in value.items()]
        chance.shuffle(pairs)
        return dict(pairs)
    if isinstance(value, list):
        items = [shuffled(item, chance, keep=keep) for item in value]
        if not keep:
            chance.shuffle(items)
        return items
    return value


def spelt_otherwise(value: Any) -> Any:
    """The same with every number as another type that is worth the same."""
    if isinstance(value, dict):
        return {key: spelt_otherwise(item) for key, item in value.items()}
    if isinstance(value, list):
        return [spelt_otherwise(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= LARGEST else value
    return Decimal(value).quantize(Decimal("1.00")) if abs(value) < 10**6 else float(value)


@given(values)
def test_the_quick_writer_writes_what_rfc_8785_says(value: Any) -> None:
    assert to_json(normal(value)) == rfc8785.dumps(normal(value))


def test_every_character_is_written_as_rfc_8785_says() -> None:
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x11000))))
    assert to_json(text) == rfc8785.dumps(text)
    keys = dict.fromkeys(text, 1)
    assert to_json(keys) == rfc8785.dumps(keys)


@given(st.floats(1e-7, 1e-3) | st.floats(1e14, 1e22))
def test_where_exponents_begin_is_where_rfc_8785_has_them(number: float) -> None:
    for each in (normal(number), normal(-number)):
        assert to_json([each]) == rfc8785.dumps([each])


@given(graphs(), graphs())
def test_hashes_are_equal_if_and_only_if_the_normal_forms_are(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (ir_hash(one) == ir_hash(other)) is (normal_form(one) == normal_form(other))


@given(graphs(), st.integers(0, 1000))
def test_no_order_that_means_nothing_changes_the_hash(graph: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    other = copy.deepcopy(graph)
    for node in other["nodes"]:
        marked = node.get("ordered", [])
        node["params"] = {
            name: shuffled(value, chance, keep=name in marked)
            for name, value in node["params"].items()
        }
        chance.shuffle(marked)
    other = shuffled({k: v for k, v in other.items() if k != "nodes"}, chance, keep=True) | {
        "nodes": [shuffled(node, chance, keep=True) for node in other["nodes"]]
    }
    chance.shuffle(other["nodes"])
    chance.shuffle(other["edges"])
    assert ir_hash(other) == ir_hash(graph)


@given(graphs())
def test_how_a_number_is_spelt_changes_nothing(graph: dict[str, Any]) -> None:
    assert normal_form(spelt_otherwise(graph)) == normal_form(graph)


@given(graphs(), st.data())
def test_another_value_of_any_parameter_is_another_hash(
    graph: dict[str, Any], data: st.DataObject
) -> None:
    holders = [node for node in graph["nodes"] if node["params"]]
    assume(holders)
    other = copy.deepcopy(graph)
    place = data.draw(st.integers(0, len(holders) - 1))
    node = next(n for n in other["nodes"] if n["node_id"] == holders[place]["node_id"])
    name = data.draw(st.sampled_from(sorted(node["params"])))
    value = data.draw(values)
    before, after = normal(node["params"][name]), normal(value)
    if name not in node.get("ordered", []):
        before, after = in_order(before), in_order(after)
    assume(to_json(before) != to_json(after))
    node["params"][name] = value
    assert ir_hash(other) != ir_hash(graph)


@given(graphs(), st.lists(st.integers(), min_size=2, max_size=4))
def test_order_tells_marked_lists_apart_and_no_others(
    graph: dict[str, Any], weights: list[int]
) -> None:
    weights = [weight % 1000 for weight in weights]
    assume(weights != weights[::-1])
    for marked in (True, False):
        one, other = copy.deepcopy(graph), copy.deepcopy(graph)
        for each, order in ((one, weights), (other, weights[::-1])):
            each["nodes"][0]["params"]["weights"] = order
            each["nodes"][0]["ordered"] = ["weights"] if marked else []
        assert (ir_hash(one) != ir_hash(other)) is marked


@given(graphs())
def test_slots_are_text_however_they_are_counted(graph: dict[str, Any]) -> None:
    other = copy.deepcopy(graph)
    for node in other["nodes"]:
        node["inputs"] = {int(slot): source for slot, source in node["inputs"].items()}
    for edge in other["edges"]:
        edge["slot"] = str(edge["slot"])
    assert ir_hash(other) == ir_hash(graph)
