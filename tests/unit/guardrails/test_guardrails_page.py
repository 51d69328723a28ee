"""docs/guardrails.md and docs/primitives.md say what the code and the worked intents say."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.values import Source
from tools.guardrails_page import guide, page

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "guardrails.md").read_text("utf-8")
WORKED = json.loads((ROOT / "tests/unit/guardrails/worked_intents.json").read_text("utf-8"))

SHIPPED = read((ROOT / "config" / "guardrails.yaml").read_text("utf-8"), "yaml")


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


SAID = [
    ("exceeds", "Tell me when queue depth exceeds 3"),
    ("90 %", "Warn when memory pressure is over 90 %"),
    ("20 GB", "Refuse loading a model whose size is more than 20 GB"),
    ("20 GiB", "Deny loading a model whose size is above 20 GiB"),
    ("500 MB", "Block loading a model whose size is less than 500 MB"),
    ("2 minutes", "Alert when latency is above 2 minutes"),
    ("is one of A, B or C", "Block loading when the source is one of hub, imported or adopted"),
    ("is none of A or B", "Ask before loading when the source is none of shipped or imported"),
    ("is not", "Ask for approval before loading when trust is not verified"),
    ("in the top 5 %", "Alert when latency is in the top 5 %"),
    ("above the 95th percentile", "Alert when latency is above the 95th percentile"),
    (
        "more than 3 standard deviations above the mean",
        "Alert when latency is more than 3 standard deviations above the mean",
    ),
    ("rises by more than 50 %", "Alert when the error rate rises by more than 50 %"),
    ("falls by more than 10 %", "Alert when throughput falls by more than 10 %"),
    ("urgently", "Alert urgently when latency is high"),
    ("within 1 hour", "Alert when evictions rise sharply within 1 hour"),
    ("in the last 24 hours", "Alert when evictions rise slightly in the last 24 hours"),
    ("over the last 7 days", "Alert when latency is in the top 5 % over the last 7 days"),
    ("per model", "Alert when evictions per model are above 3"),
    ("per key", "Alert when blocked attempts per key are above 3"),
    ("unless", "Block loading unless trust is verified"),
    ("any model", "Alert when latency of any model is high"),
    ("somebody", "Alert when somebody has more than 5 blocked attempts"),
    ("of all models together", "Alert when latency of all models together is high"),
    ("pulls from google", "Block pulls from google"),
    ('pulls from "acme"', 'Block pulls from "acme"'),
    ("gguf models", "Block pulls of gguf models"),
    ("quarantined models", "Block loading quarantined models"),
    ("unusually large models", "Ask approval for unusually large models"),
    (
        "not verified in the last 90 days",
        "Block loading a model that was not verified in the last 90 days",
    ),
    ("block pulls except from google", "block pulls except from google"),
    ("rise sharply and are above 10", "Alert when blocked attempts rise sharply and are above 10"),
]


@pytest.mark.parametrize(("phrase", "intent"), SAID)
def test_what_the_page_says_is_understood_is_understood(phrase: str, intent: str) -> None:
    assert phrase in PAGE
    assert resolve(intent, SHIPPED).condition


def test_the_structure_of_the_page_means_what_its_words_mean() -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    said = resolve("Block loading a model whose size is above 40 GB", SHIPPED)
    assert resolve(intent_of(json.loads(block), SHIPPED), SHIPPED).condition == said.condition


def rows(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.startswith("| `")]
