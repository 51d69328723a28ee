"""Every strategy against vectors in a file: inputs, what is kept of the history, the result."""

import json
import math
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from app.authority.guardrails.strategies.base import Reason, Result
from app.authority.guardrails.strategies.composite import combine
from app.authority.guardrails.strategies.registry import STRATEGIES
from tests.unit.guardrails import strategy_vectors as vectors

ROOT = Path(__file__).resolve().parents[3]


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=[case["case"] for case in cases])


@named(vectors.CASES)
def test_a_vector_is_decided_as_written(case: dict[str, Any]) -> None:
    assert vectors.got(case) == vectors.wanted(case)


@named(vectors.COMBINATIONS)
def test_a_combination_is_decided_as_written(case: dict[str, Any]) -> None:
    assert vectors.combined(case) == case["result"]
    assert vectors.combined({**case, "operands": case["operands"][::-1]}) == case["result"]


@pytest.mark.parametrize("case", vectors.REFUSED, ids=str)
def test_another_operator_or_number_of_operands_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="operand|operator"):
        combine(case["operator"], [Result(triggered=True)] * case["operands"])


def test_the_vectors_are_many_and_reach_every_strategy_and_every_reason() -> None:
    assert len({case["case"] for case in vectors.CASES}) == len(vectors.CASES)
    by_strategy = Counter(case["strategy"] for case in vectors.CASES)
    assert by_strategy.keys() == STRATEGIES.keys()
    assert min(by_strategy.values()) >= 4
    reasons = {case["result"]["reason"] for case in vectors.CASES}
    assert reasons == {None, *Reason}


def test_summaries_and_measures_can_be_written_as_json() -> None:
    for case in vectors.CASES:
        assert json.loads(json.dumps(vectors.got(case), allow_nan=False)) == vectors.wanted(case)


def test_a_summary_that_was_written_and_read_decides_the_same() -> None:
    """Records write 12.0 as 12, and read it back so."""
    for case in vectors.CASES:
        read = {
            name: int(found) if float(found).is_integer() and abs(found) < 2**53 else found
            for name, found in json.loads(json.dumps(case["summary"])).items()
        }
        strategy = STRATEGIES[case["strategy"]]
        again = strategy.decide(vectors.reading_of(case), read, vectors.params_of(case))
        assert vectors.plain(again) == case["result"]


def test_a_whole_number_and_its_float_decide_the_same() -> None:
    changed = 0
    for case in vectors.CASES:
        value = vectors.reading_of(case).value
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            changed += 1
            whole = {**case, "reading": {**case["reading"], "value": int(value)}}
            assert vectors.got(whole) == vectors.wanted(case)
    assert changed > 20


def test_fresh_processes_under_other_hash_seeds_decide_the_same() -> None:
    wanted = [
        *(vectors.wanted(case) for case in vectors.CASES),
        *(case["result"] for case in vectors.COMBINATIONS),
    ]
    path = os.pathsep.join([str(ROOT / "services/api"), str(ROOT)])
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.unit.guardrails.strategy_vectors"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout) == wanted
