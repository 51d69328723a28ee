"""The golden vectors of the strategies, and what this process makes of them.

`history` holds pairs of seconds before the evaluation and a number. Run as a program it prints
what it got for every vector: the same in every process, under every hash seed.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.strategies.base import Observation, Reading, Reason, Result, Strategy
from app.authority.guardrails.strategies.composite import combine
from app.authority.guardrails.strategies.registry import STRATEGIES

VECTORS: Final = json.loads((Path(__file__).parent / "golden" / "strategies.json").read_text())
CASES: Final[list[dict[str, Any]]] = VECTORS["cases"]
COMBINATIONS: Final[list[dict[str, Any]]] = VECTORS["combinations"]
REFUSED: Final[list[dict[str, Any]]] = VECTORS["refused"]


def got(case: Mapping[str, Any], strategies: Mapping[str, Strategy] = STRATEGIES) -> dict[str, Any]:
    """The summary and the result of one vector, as plain values."""
    strategy = strategies[case["strategy"]]
    params, at_us = params_of(case), VECTORS["at_us"]
    summary = strategy.summary(history_of(case), params, at_us)
    result = strategy.decide(reading_of(case), summary, params)
    return {"summary": dict(summary), "result": plain(result)}


def wanted(case: Mapping[str, Any]) -> dict[str, Any]:
    return {"summary": case["summary"], "result": case["result"]}


def combined(case: Mapping[str, Any]) -> dict[str, Any]:
    return plain(combine(case["operator"], [result_of(operand) for operand in case["operands"]]))


def plain(result: Result) -> dict[str, Any]:
    return result._asdict()


def result_of(operand: Mapping[str, Any]) -> Result:
    reason = operand["reason"]
    return Result(operand["triggered"], reason and Reason(reason))


def params_of(case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["params"].items()
    }


def reading_of(case: Mapping[str, Any]) -> Reading:
    reason = case["reading"]["reason"]
    return Reading(number(case["reading"]["value"]), reason and Reason(reason))


def history_of(case: Mapping[str, Any]) -> list[Observation]:
    return [
        Observation(VECTORS["at_us"] - seconds * 1_000_000, number(value))
        for seconds, value in case["history"]
    ]


def number(value: Any) -> Any:
    return float(value["not_finite"]) if isinstance(value, dict) else value


if __name__ == "__main__":
    outcome = [*(got(case) for case in CASES), *(combined(case) for case in COMBINATIONS)]
    sys.stdout.write(json.dumps(outcome, sort_keys=True, allow_nan=False))
