"""Ten worked intents and the four that ship, each with all that comes out of it."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from app.authority.guardrails.values import Source
from tests.unit.guardrails.documents import compiled, shipped

HERE: Final = Path(__file__).parent
WORKED: Final[list[dict[str, Any]]] = json.loads((HERE / "worked_intents.json").read_text("utf-8"))
SHIPPED: Final[list[dict[str, Any]]] = json.loads(
    (HERE / "shipped_intents.json").read_text("utf-8")
)


def clauses() -> list[dict[str, Any]]:
    return [clause for worked in WORKED for clause in worked["expect"]["clauses"]]


@pytest.mark.parametrize("worked", WORKED, ids=[worked["title"] for worked in WORKED])
def test_a_worked_intent_compiles_to_what_is_shown(worked: dict[str, Any]) -> None:
    assert compiled(worked["intent"], shipped(worked["changes"])) == worked["expect"]


@pytest.mark.parametrize("task", SHIPPED, ids=[task["id"] for task in SHIPPED])
def test_a_shipped_intent_compiles_to_what_is_shown(task: dict[str, Any]) -> None:
    assert compiled(task["intent"], shipped()) == task["expect"]


def test_the_shipped_intents_are_those_of_the_file() -> None:
    tasks = yaml.safe_load(Path("config/guardrails-tasks.yaml").read_text("utf-8"))["tasks"]
    assert {task["id"]: task["intent"] for task in SHIPPED} == {
        name: task["intent"] for name, task in tasks.items()
    }


def test_there_are_ten_and_each_source_wins_once() -> None:
    assert len(WORKED) == 10
    assert {clause["from"] for clause in clauses()} == {source.value for source in Source}


def test_they_show_every_way_a_bias_ends() -> None:
    shown = {clause["bias"] for clause in clauses()}
    assert shown == {"none", "shifted", "clamped", "neutralised", "explicit"}


def test_they_show_numbers_that_are_said_for_every_strategy_that_is_shown_with_one() -> None:
    explicit = {
        clause["strategy"]
        for clause in clauses()
        if clause["parameters"].get("value", {}).get("from") == "user_explicit"
    }
    assert explicit == {"threshold", "percentile", "change"}


def test_they_show_and_unless_a_key_and_a_set() -> None:
    forms = [worked["expect"]["joined"] for worked in WORKED]
    assert "AND(when.0, when.1)" in forms
    assert "AND(when.0, NOT(when.1.0))" in forms
    assert "actor" in {clause["scope"] for clause in clauses()}
    assert "negate" in {name for clause in clauses() for name in clause["parameters"]}
