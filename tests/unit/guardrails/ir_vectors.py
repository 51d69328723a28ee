"""The golden vectors of graphs and bindings, and what this process makes of them.

In the file, ``{"$decimal": "1.00"}`` is a Decimal, ``{"$float": "nan"}`` a float that JSON lacks,
and ``{"$slots": [[0, "a"]]}`` a mapping whose keys are not text. Run as a program it prints every
hash: the same in every process, under every hash seed, on every machine.
"""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.ir import binding_hash, ir_hash, normal_form
from app.authority.guardrails.values import Composite, Condition, Leaf, Operator, Reference, Scope

VECTORS: Final = json.loads((Path(__file__).parent / "golden" / "ir.json").read_text())
GRAPHS: Final[dict[str, Any]] = {each["name"]: each for each in VECTORS["graphs"]}
REFUSED: Final[dict[str, Any]] = {each["name"]: each for each in VECTORS["refused"]}
BINDINGS: Final[dict[str, Any]] = {each["name"]: each for each in VECTORS["bindings"]}


def value_of(written: Any) -> Any:
    """What a vector's JSON stands for."""
    match written:
        case {"$decimal": text}:
            return Decimal(text)
        case {"$float": text}:
            return float(text)
        case {"$slots": pairs}:
            return {slot: value_of(source) for slot, source in pairs}
        case dict():
            return {key: value_of(value) for key, value in written.items()}
        case list():
            return [value_of(value) for value in written]
    return written


def condition_of(written: Mapping[str, Any]) -> Condition:
    match written:
        case {"condition": str(id), "version": int(version)}:
            return Reference(id, version)
        case {"operator": str(operator), "operands": list(operands)}:
            return Composite(Operator(operator), tuple(map(condition_of, operands)))
    params = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in value_of(written["params"]).items()
    }
    return Leaf(
        primitive=written["primitive"],
        primitive_version=written.get("primitive_version", 1),
        scope=Scope(written.get("scope", "all")),
        strategy=written["strategy"],
        strategy_version=1,
        params=params,
    )


def normal_of(name: str) -> str:
    return normal_form(value_of(GRAPHS[name]["ir"])).decode()


def hash_of(name: str) -> str:
    return ir_hash(value_of(GRAPHS[name]["ir"]))


def bound_of(name: str) -> str:
    written = BINDINGS[name]
    condition = condition_of(written["condition"])
    return binding_hash(written["ir_hash"], condition, written["guardrails"])


def all_hashes() -> dict[str, str]:
    graphs = {name: hash_of(name) for name in GRAPHS}
    return graphs | {f"binding {name}": bound_of(name) for name in BINDINGS}


if __name__ == "__main__":
    json.dump(all_hashes(), sys.stdout)
