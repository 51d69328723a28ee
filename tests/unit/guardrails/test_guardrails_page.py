"""docs/guardrails.md and docs/primitives.md say what the code and the worked intents say."""

import json
import re
from dataclasses import fields
from pathlib import Path

from app.authority.guardrails.document.model import Document
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.values import Source
from tools.guardrails_page import guide, page

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "guardrails.md").read_text("utf-8")
WORKED = json.loads((ROOT / "tests/unit/guardrails/worked_intents.json").read_text("utf-8"))


def test_the_ten_worked_intents_of_the_page_are_those_that_are_tested() -> None:
    """Regenerate with: make docs"""
    assert guide() == PAGE
    assert len(WORKED) == 10
    for one in WORKED:
        assert f"```text\n{one['intent']}\n```\n\nMeans: {one['expect']['sentence']}\n" in PAGE


def test_every_section_of_a_document_is_told_about() -> None:
    _, _, rest = PAGE.partition("## The document")
    table, _, _ = rest.partition("Nothing in it allows")
    told = set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in rows(table))))
    assert told == {field.name for field in fields(Document)} - {"version", "name"}


def test_the_six_sources_are_in_their_order() -> None:
    told = re.findall(r"^\| \d \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert told == [str(source) for source in Source]


def test_every_strategy_and_everything_that_can_be_watched_is_in_the_tables() -> None:
    shown = page()
    for name in [*PRIMITIVES, *STRATEGIES]:
        assert f"| `{name}`" in shown


def rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.startswith("| `")]
