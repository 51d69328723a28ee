"""Whatever is bound and whatever is read: one guardrail more never makes a decision more free."""

from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.authority.guardrails.binding import Bound, bind
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.ir import define
from app.authority.guardrails.policy import together
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import Asked
from app.authority.guardrails.watching.histories import Histories
from app.authority.policy.decisions import Decision, Fired, Outcome
from app.settings import TEMPLATES

STRICTNESS = [Outcome.ALLOW, Outcome.REQUIRE_APPROVAL, Outcome.DENY]
INTENTS = (
    "Block loading a model whose size is above 20 GB",
    "Block loading a model whose size is below 1 GB",
    "Ask for approval before loading a model whose share of memory is above 50 %",
    "Alert when loading a model whose size is above 2 GB",
    "Block loading a model when queue depth is above 10",
    "Block loading a model whose format is unverified",
    "Ask for approval before loading a model when queue depth is above 5",
)
NUMBERS = {"model_size": 30 * 10**9, "model_memory_share": 1, "queue_depth": 20}


@cache
def pool() -> tuple[Bound, ...]:
    document = read((TEMPLATES / "guardrails.yaml").read_text("utf-8"), "yaml")
    made = [define(f"t{n}", 1, resolve(said, document)) for n, said in enumerate(INTENTS)]
    return tuple(bind(one, {}) for one in made)


@st.composite
def readings(draw: st.DrawFn) -> dict[str, Reading | Exception]:
    """Numbers, nothing, and readers that failed."""
    read: dict[str, Any] = {}
    for name, most in NUMBERS.items():
        number = st.integers(0, most * 100).map(lambda n: n / 100)
        read[name] = draw(
            st.one_of(
                number.map(Reading),
                st.just(Reading(None, Reason.NULL_INPUT)),
                st.just(OSError("no reading")),
            )
        )
    labels = st.sampled_from(["safetensors", "gguf", "other", "unheard of"])
    read["model_format"] = draw(labels.map(Reading))
    return read


@given(
    bound=st.sets(st.integers(0, len(INTENTS) - 1)),
    more=st.integers(0, len(INTENTS) - 1),
    read=readings(),
    hard=st.sampled_from(STRICTNESS),
)
def test_one_guardrail_more_never_makes_a_decision_more_free(
    bound: set[int], more: int, read: dict[str, Reading | Exception], hard: Outcome
) -> None:
    fewer = decided(bound, read, hard)
    assert STRICTNESS.index(fewer.outcome) >= STRICTNESS.index(hard)
    with_more = decided(bound | {more}, read, hard)
    assert STRICTNESS.index(with_more.outcome) >= STRICTNESS.index(fewer.outcome)
    assert {f.rule for f in with_more.fired} >= {f.rule for f in fewer.fired}


def decided(bound: set[int], read: dict[str, Reading | Exception], hard: Outcome) -> Decision:
    rules = Ruleset([pool()[n] for n in bound])
    asked = Asked(at_us=1, point=Point.LOAD, subject="a/b", actor="key:1")
    said = Decision(hard, (Fired("h", hard, "H."),), "0" * 64)
    return together(said, evaluate(rules, asked, read, Histories()), {})
