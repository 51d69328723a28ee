"""What was decided is listed, told why, and comes out the same whatever was changed since."""

from typing import Any

import pytest

from app.authority.guarding import Guarding
from app.authority.guardrails.watching.packing import packed
from app.domain.actors import Actor
from app.domain.refusals import GuardrailsNotFound, InvalidRequest
from tests.fakes.guardrails import SHARE, House, edited

BIG = "Block loading models whose size is above 20 GB"


async def test_decisions_are_listed_newest_first_and_told_why(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    calm = guards.decide(model_memory_share=0.1, model_format="gguf")
    guards.office.clock.advance(1)
    odd = guards.decide("a/b", model_memory_share=0.1, model_format="other")
    listed = await cases.decisions(owner, limit=1)
    (newest,) = listed["decisions"]
    assert (newest["id"], newest["outcome"], newest["fired"]) == (
        odd,
        "block",
        ["verified-formats"],
    )
    older = await cases.decisions(owner, cursor=listed["next"])
    assert [each["id"] for each in older["decisions"]] == [calm]
    assert older["next"] is None
    told = await cases.decision(owner, odd[:8])
    assert "verified-formats" in told["sentences"][0]
    assert told["record"]["subject"] == "a/b"
    only = await cases.decisions(owner, outcome="block", point="load", task="verified-formats")
    assert [each["id"] for each in only["decisions"]] == [odd]


@pytest.mark.parametrize(
    "how", [{"point": "moon"}, {"outcome": "maybe"}, {"cursor": "x"}, {"cursor": "9" * 19}]
)
async def test_what_no_decision_can_have_is_refused(
    cases: Guarding, owner: Actor, how: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await cases.decisions(owner, **how)


async def test_a_decision_is_found_by_enough_of_its_beginning(
    cases: Guarding, owner: Actor
) -> None:
    with pytest.raises(GuardrailsNotFound):
        await cases.decision(owner, "0" * 64)
    for beginning in ("", "abc", "xyzxyz", "%" * 8):
        with pytest.raises(InvalidRequest):
            await cases.decision(owner, beginning)


async def test_every_decision_comes_out_the_same_after_every_change(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    guards.decide(model_memory_share=0.45, model_format="gguf")
    await guards.activated(edited({SHARE: 0.4}))
    await guards.does("rebind", version=2)
    guards.office.clock.advance(1)
    guards.decide(model_memory_share=0.45, model_format="gguf")
    await guards.does("retire", task="large-models")
    found = await cases.replay(owner)
    assert found == {"checked": 2, "identical": 2, "different": [], "missing": []}
    outcomes = [each["outcome"] for each in (await cases.decisions(owner))["decisions"]]
    assert outcomes == ["require_approval", "allow"]


async def test_a_record_that_was_altered_comes_out_otherwise(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    first = guards.decide(model_memory_share=0.45, model_format="gguf")
    guards.office.clock.advance(1)
    second = guards.decide(model_memory_share=0.6, model_format="gguf")
    record = next(guards.decisions.each()).record.replace(b"0.45", b"0.95")
    guards.sql("UPDATE guardrails_decision SET record = ? WHERE seq = 1", packed(record))
    found = await cases.replay(owner)
    assert (found["checked"], found["identical"]) == (2, 1)
    assert [each["id"] for each in found["different"]] == [first]
    assert "altered" in (await cases.decision(owner, first))["sentences"][0]
    newest = await cases.replay(owner, limit=1)
    assert (newest["checked"], newest["identical"]) == (1, 1)
    now_us = guards.office.clock.utc_us()
    assert (await cases.replay(owner, until_us=now_us))["checked"] == 1
    assert (await cases.replay(owner, since_us=now_us))["identical"] == 1
    assert second != first


async def test_a_decision_that_was_taken_away_is_missed(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    for _ in range(3):
        guards.decide(model_memory_share=0.45, model_format="gguf")
        guards.office.clock.advance(1)
    guards.sql("DELETE FROM guardrails_decision WHERE seq = 2")
    found = await cases.replay(owner)
    assert (found["checked"], found["identical"]) == (2, 2)
    assert found["missing"] == ["decisions 2 to 2"]


async def test_a_definition_that_was_taken_away_is_missed(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    await guards.does("add", id="big", intent=BIG)
    bound = guards.now.definitions["big"].binding_hash
    guards.decide(model_memory_share=0.1, model_format="gguf", model_size=1)
    await guards.does("retire", task="big")
    guards.sql("DELETE FROM guardrails_definition WHERE id = 'big'")
    found = await cases.replay(owner)
    assert (found["checked"], found["identical"], found["missing"]) == (1, 0, [bound])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("point", "pull"),
        ("subject", "a/b"),
        ("actor", "key:2"),
        ("outcome", "allow"),
        ("at_us", 7),
    ],
)
async def test_a_row_that_says_something_else_than_its_record_is_noticed(
    guards: House, cases: Guarding, owner: Actor, column: str, value: object
) -> None:
    made = guards.decide(model_memory_share=0.6, model_format="gguf")
    guards.sql(f"UPDATE guardrails_decision SET {column} = ?", value)
    found = await cases.replay(owner)
    assert (found["checked"], found["identical"]) == (1, 0)
    (different,) = found["different"]
    assert different["id"] == made
    assert f"{column} is {value}" in different["differences"][0]
    assert f"{column} is {value}" in (await cases.decision(owner, made))["sentences"][0]
