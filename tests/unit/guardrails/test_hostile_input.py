"""What no intent, id or number should be is refused in words, quickly, and leaves nothing."""

import math
from typing import Any

import pytest

from app.authority.guarding import Guarding
from app.domain.actors import Actor
from app.domain.refusal import Refusal
from app.domain.refusals import GuardrailsNotFound, IntentUnclear, InvalidRequest
from tests.fakes.guardrails import House

LEAF: dict[str, Any] = {"primitive": "model_size", "strategy": "threshold"}


@pytest.fixture
def cases(guards: House) -> Guarding:
    return guards.use_cases()


@pytest.fixture
def owner(guards: House) -> Actor:
    return guards.office.owner


def structure(when: Any) -> dict[str, Any]:
    return {"action": "block", "points": ["load"], "when": when}


def above(value: Any) -> dict[str, Any]:
    return structure({**LEAF, "params": {"direction": "above", "value": value}})


@pytest.mark.parametrize(
    "value",
    [10**5000, -(10**400), 2**63, 1e308, math.inf, -math.inf, math.nan],
    ids=["huge", "minus huge", "2**63", "1e308", "inf", "-inf", "nan"],
)
async def test_a_number_that_no_machine_holds_is_asked_about(
    cases: Guarding, owner: Actor, value: float
) -> None:
    with pytest.raises(IntentUnclear) as unclear:
        await cases.compile(owner, above(value))
    assert unclear.value.details["where"] == "when.params.value"


@pytest.mark.parametrize("version", [2**63, 10**400, -1, 0, 1.0, True, "1"])
async def test_a_version_of_another_condition_that_no_machine_holds_is_asked_about(
    cases: Guarding, owner: Actor, version: Any
) -> None:
    with pytest.raises(IntentUnclear) as unclear:
        await cases.compile(owner, structure({"condition": "large-models", "version": version}))
    assert unclear.value.details["where"] == "when.version"


@pytest.mark.parametrize("value", [True, "5", [5], None, {}])
async def test_what_is_no_number_is_refused(cases: Guarding, owner: Actor, value: object) -> None:
    with pytest.raises(Refusal):
        await cases.compile(owner, above(value))


@pytest.mark.parametrize("depth", [9, 900, 50_000])
async def test_a_structure_that_is_nested_without_end_is_asked_about(
    cases: Guarding, owner: Actor, depth: int
) -> None:
    when: dict[str, Any] = dict(LEAF)
    for _ in range(depth):
        when = {"not": when}
    with pytest.raises(IntentUnclear, match="deep"):
        await cases.compile(owner, structure(when))


@pytest.mark.parametrize(
    "text",
    [
        "Block loading if " + "(" * 100_000 + "size is above 3 GB",
        "Block loading if " + "not " * 20_000 + "size is above 3 GB",
        "Block loading if size is above " + "9" * 5_000 + " GB",
        'Block loading if publisher is "' + "x" * 100_000 + '"',
    ],
    ids=["parentheses", "nots", "digits", "quotation"],
)
async def test_an_intent_without_end_is_asked_for_in_one_sentence(
    cases: Guarding, owner: Actor, text: str
) -> None:
    with pytest.raises(IntentUnclear, match="one sentence"):
        await cases.compile(owner, text)


@pytest.mark.parametrize(
    "odd",
    ["../../etc", "a/b", "A", "a" * 65, "", "a\n", "é", "a b", "-a", "__class__", "%2e", "a\0"],
)
async def test_an_id_that_is_a_path_or_no_word_names_nothing(
    guards: House, cases: Guarding, owner: Actor, odd: str
) -> None:
    with pytest.raises(InvalidRequest):
        await cases.add(owner, odd, "Alert when latency rises")
    for looking in (cases.task(owner, odd), cases.retire(owner, odd)):
        with pytest.raises(GuardrailsNotFound):
            await looking
    assert guards.office.parts.asks.open_count() == 0


@pytest.mark.parametrize("version", [0, -1, 1.5, True, "1", 2**53, 2**70, None])
async def test_a_version_that_is_none_is_refused(
    guards: House, cases: Guarding, owner: Actor, version: Any
) -> None:
    for asking in (cases.rebind(owner, version), cases.activate(owner, version)):
        with pytest.raises(InvalidRequest):
            await asking
    assert guards.office.parts.asks.open_count() == 0
