"""The graph that an intent compiles to, and the hashes that stand for it. Pure.

A graph has what the predecessor's has (nodes, edges, the concept they make and its output), so its
rules of normalisation hold to the letter; what they leave open is settled here and in `normal`.
Primitives, strategies, the points and the action are nodes. A primitive's type is nominal
(`primitive<NAME@VERSION>`): a hash never depends on what today's registry says of an old version.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.authority.guardrails.normal import in_order, normal, sha256, to_json
from app.authority.guardrails.strategies.base import Signature
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import (
    Composite,
    Condition,
    Definition,
    Leaf,
    Reference,
    Resolution,
    ValueType,
)

LEFT_OUT: Final = frozenset({"graph_id", "ir_hash", "created_at"})
"""Of the graph itself, not of its nodes: what says nothing about what it does."""

OUTPUT: Final = "action"
ROOT: Final = "when"
POINTS: Final = "points"

Graph = Mapping[str, Any]


def ir_of(id: str, version: int, resolution: Resolution) -> dict[str, Any]:  # noqa: A002 - the product's word
    """Return the graph of a resolution: plain JSON.

    Nodes of conditions are named by their place (`when`, `when.0`), slots count from 0. A node
    with parameters whose order matters names them under `ordered`, as its strategy declares them.
    """
    intent = resolution.intent
    nodes = list(_condition(resolution.condition, ROOT))
    nodes.append(_node(POINTS, POINTS, [], {POINTS: [str(p) for p in intent.points]}, "points"))
    nodes.append(_node(OUTPUT, OUTPUT, [ROOT, POINTS], {"action": str(intent.action)}, OUTPUT))
    unique = {node["node_id"]: node for node in nodes}
    return {
        "concept_id": id,
        "version": version,
        "nodes": list(unique.values()),
        "edges": [
            {"from": source, "to": node["node_id"], "slot": slot}
            for node in unique.values()
            for slot, source in node["inputs"].items()
        ],
        "output_node_id": OUTPUT,
        "output_type": OUTPUT,
    }


def normal_form(ir: Graph) -> bytes:
    """Return what is hashed: nodes by `node_id`, edges by (from, to, slot), keys sorted, Decimals
    and whole floats as numbers, list parameters sorted unless the node marks them, slots as text.

    Raises GuardrailsInvalid for a value that has no normal form.
    """
    kept = {k: normal(_slots(k, v), f"/{k}") for k, v in ir.items() if k not in LEFT_OUT}
    nodes = sorted((_normal_node(node) for node in kept.get("nodes", [])), key=_by_id)
    edges = sorted((_normal_edge(edge) for edge in kept.get("edges", [])), key=_by_ends)
    return to_json(kept | {"nodes": nodes, "edges": edges})


def ir_hash(ir: Graph) -> str:
    """Return the SHA-256 (hex) of the normal form: equal if and only if the normal forms are."""
    return sha256(normal_form(ir))


def binding_hash(ir_hash: str, condition: Condition, guardrails: str) -> str:
    """Return the SHA-256 (hex) over all that decides: the graph's hash, every condition's
    parameters and versions, and the hash of the document it was compiled under."""
    bound = [
        [node["node_id"], node["op"], node["params"]]
        for node in map(_normal_node, normal(list(_condition(condition, ROOT))))
    ]
    return sha256(to_json({"conditions": bound, "guardrails": guardrails, "ir_hash": ir_hash}))


def define(id: str, version: int, resolution: Resolution) -> Definition:  # noqa: A002 - the product's word
    """Return the resolution under a name, with its hashes."""
    hashed = ir_hash(ir_of(id, version, resolution))
    return Definition(
        id=id,
        version=version,
        resolution=resolution,
        ir_hash=hashed,
        binding_hash=binding_hash(hashed, resolution.condition, resolution.guardrails),
    )


def intact(definition: Definition) -> bool:
    """Whether a definition's hashes are those of what it says."""
    again = define(definition.id, definition.version, definition.resolution)
    return (again.ir_hash, again.binding_hash) == (definition.ir_hash, definition.binding_hash)


# --- nodes ----------------------------------------------------------------------------------


def _condition(condition: Condition, path: str) -> Iterator[dict[str, Any]]:
    match condition:
        case Leaf():
            yield from _leaf(condition, path)
        case Composite(operator, operands, version):
            places = [f"{path}.{i}" for i in range(len(operands))]
            combined = {"operator": str(operator)}
            yield _node(path, f"composite@{version}", places, combined, ValueType.DECISION)
            for place, operand in zip(places, operands, strict=True):
                yield from _condition(operand, place)
        case Reference(id, version):
            named = {"id": id, "version": version}
            yield _node(path, "reference", [], named, ValueType.DECISION)


def _leaf(leaf: Leaf, path: str) -> Iterator[dict[str, Any]]:
    watched = f"{leaf.primitive}@{leaf.primitive_version}"
    source = f"primitive:{watched}/{leaf.scope}"
    params: dict[str, Any] = {
        "primitive": leaf.primitive,
        "version": leaf.primitive_version,
        "scope": str(leaf.scope),
    }
    yield _node(source, "primitive", [], params, f"primitive<{watched}>")
    signature = strategy(leaf.strategy, leaf.strategy_version).signature
    op = f"{leaf.strategy}@{leaf.strategy_version}"
    node = _node(path, op, [source], dict(leaf.params), signature.output_type)
    ordered = _ordered(signature)
    yield (node | {"ordered": ordered}) if ordered else node


def _ordered(signature: Signature) -> list[str]:
    return sorted(name for name, parameter in signature.parameters.items() if parameter.ordered)


def _node(
    node_id: str, op: str, inputs: list[str], params: Mapping[str, Any], output_type: str
) -> dict[str, Any]:
    return {
        "node_id": node_id,
        "op": op,
        "inputs": {str(slot): source for slot, source in enumerate(inputs)},
        "params": params,
        "output_type": str(output_type),
    }


# --- normalising ----------------------------------------------------------------------------


def _slots(key: str, value: Any) -> Any:
    """What a node takes in, with its slots as text, whoever counted them."""
    if key != "nodes":
        return value
    return [
        {**node, "inputs": {str(slot): source for slot, source in node["inputs"].items()}}
        if isinstance(node.get("inputs"), Mapping)
        else node
        for node in value
    ]


def _normal_node(node: dict[str, Any]) -> dict[str, Any]:
    ordered = in_order(node.get("ordered", []))
    params = {
        name: value if name in ordered else in_order(value)
        for name, value in node.get("params", {}).items()
    }
    marked = {"ordered": ordered} if ordered else {}
    return {key: value for key, value in node.items() if key != "ordered"} | {
        "params": params,
        **marked,
    }


def _normal_edge(edge: dict[str, Any]) -> dict[str, Any]:
    return edge | {"slot": str(edge["slot"])}


def _by_id(node: dict[str, Any]) -> tuple[str, bytes]:
    return str(node["node_id"]), to_json(node)


def _by_ends(edge: dict[str, Any]) -> tuple[str, str, str, bytes]:
    return str(edge["from"]), str(edge["to"]), edge["slot"], to_json(edge)
