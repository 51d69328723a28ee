"""What an intent becomes under a document: the six sources, tiers and their bias, and every no."""

import subprocess
import sys
from typing import Any

import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.values import (
    Clause,
    Leaf,
    Source,
)
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import REMOVED, compiled, small

Changes = dict[str, Any]


def clause_of(text: str, changes: Changes | None = None) -> dict[str, Any]:
    [clause] = compiled(text, small(changes))["clauses"]
    found: dict[str, Any] = clause
    return found


def rules(intent: str | dict[str, Any], changes: Changes | None = None) -> list[str]:
    """The rules that the intent violates."""
    guardrails = small(changes)
    with pytest.raises(GuardrailViolated) as caught:
        resolve(intent if isinstance(intent, str) else intent_of(intent, guardrails), guardrails)
    assert all(set(each) == {"rule", "message", "where"} for each in violations(caught.value))
    return [each["rule"] for each in violations(caught.value)]


def violations(refusal: GuardrailViolated) -> list[dict[str, str]]:
    found: list[dict[str, str]] = refusal.details["violations"]
    return found


def question(intent: str | dict[str, Any], changes: Changes | None = None) -> IntentUnclear:
    guardrails = small(changes)
    with pytest.raises(IntentUnclear) as caught:
        resolve(intent if isinstance(intent, str) else intent_of(intent, guardrails), guardrails)
    return caught.value


# --- the six sources ------------------------------------------------------------------------

SOURCES: dict[Source, tuple[str, Changes, str]] = {
    Source.USER_EXPLICIT: ("size is above 5 GB", {}, "threshold"),
    Source.PRIMITIVE_HINT: (
        "latency rises",
        {"primitives/latency/preferred": ["z_score"]},
        "z_score",
    ),
    Source.MAPPING_RULE: ("latency rises", {}, "change"),
    Source.APPLICATION_CONTEXT: (
        "latency is critical",
        {"application_context/preferred": ["percentile"]},
        "percentile",
    ),
    Source.GLOBAL_PREFERRED: (
        "latency is critical",
        {"preferences/default": "change"},
        "threshold",
    ),
    Source.GLOBAL_DEFAULT: (
        "latency is critical",
        {"preferences/preferred": [], "preferences/default": "z_score"},
        "z_score",
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_wins_where_none_above_it_speaks(source: Source) -> None:
    condition, changes, strategy = SOURCES[source]
    clause = clause_of(f"Alert when {condition}", changes)
    assert (clause["from"], clause["strategy"]) == (source.value, strategy)


def test_the_trace_tells_of_every_source_in_its_order_and_of_who_was_rejected_and_why() -> None:
    preferred = {"primitives/latency/preferred": ["equals", "percentile"]}
    trace = resolve("Alert when latency rises", small(preferred)).trace.clauses[0]
    assert [each.source for each in trace.candidates] == [
        Source.USER_EXPLICIT,
        Source.PRIMITIVE_HINT,
        *list(Source)[1:],
    ]
    rejected, won = trace.candidates[1:3]
    assert (rejected.strategy, rejected.won) == ("equals", False)
    assert "does not take latency" in rejected.why
    assert (won.strategy, won.won) == ("percentile", True)
    assert all("not asked" in each.why for each in trace.candidates[3:])


def test_what_is_discouraged_is_passed_over_by_the_last_three_sources_only() -> None:
    avoided = {"primitives/latency/discouraged": ["threshold", "change"]}
    assert clause_of("Alert when latency is critical", avoided)["strategy"] == "z_score"
    assert clause_of("Alert when latency rises", avoided)["strategy"] == "change"
    assert clause_of("Alert when latency is above 5 seconds", avoided)["strategy"] == "threshold"


def test_a_strategy_that_may_not_be_used_is_passed_over_by_every_source_but_the_user() -> None:
    off = {"strategies/change/enabled": False}
    assert clause_of("Alert when latency rises", off)["strategy"] == "threshold"
    assert rules("Alert when latency rises by more than 5 %", off) == ["strategy.disabled"]


# --- tiers, bias, priors --------------------------------------------------------------------


def biased(text: str, *instructions: str) -> tuple[str, str]:
    clause = clause_of(text, {"application_context/instructions": list(instructions)})
    return clause["tier"], clause["bias"]


def test_words_make_the_tier_the_highest_counts_and_urgency_is_high() -> None:
    assert clause_of("Alert when latency rises")["tier"] == "medium"
    assert clause_of("Alert when latency rises", {"severity/default": "low"})["tier"] == "low"
    assert clause_of("Alert when latency rises slightly")["tier"] == "low"
    assert clause_of("Alert when latency rises slightly sharply")["tier"] == "high"
    assert clause_of("Urgently alert when latency rises slightly")["tier"] == "high"


def test_shifts_add_up_and_stop_at_the_ends() -> None:
    rises = "Alert when latency rises"
    assert biased(rises, "Give early warning.") == ("low", "shifted")
    assert biased(rises, "Early warning, and be cautious.") == ("low", "clamped")
    assert biased(rises, "Be quiet.") == ("high", "clamped")
    assert biased("Alert when latency rises slightly", "Be quiet.") == ("high", "shifted")


def test_equal_opposites_neutralise_each_other_which_is_not_the_same_as_no_rule() -> None:
    rises = "Alert when latency rises"
    assert biased(rises, "Give early warning.", "We want few alerts.") == ("medium", "neutralised")
    assert biased(rises, "Nothing of that kind.") == ("medium", "none")


def test_unequal_opposites_leave_the_difference() -> None:
    found = biased("Alert when latency rises slightly", "Be quiet, and give early warning.")
    assert found == ("medium", "shifted")


def test_a_bias_rule_looks_for_whole_words() -> None:
    assert biased("Alert when latency rises", "Be precautious.") == ("medium", "none")


def test_a_number_that_is_said_is_never_biased() -> None:
    changes = {"application_context/instructions": ["Give early warning."]}
    clause = clause_of("Alert when latency is above 7 seconds", changes)
    assert clause["parameters"]["value"] == {"value": 7, "from": "user_explicit"}
    assert clause["bias"] == "explicit"


def test_a_prior_of_the_primitive_stands_over_the_default_one() -> None:
    assert clause_of("Alert when memory pressure rises")["parameters"]["value"] == {
        "value": 0.25,
        "from": "primitive_hint",
    }
    assert clause_of("Alert when latency rises")["parameters"]["value"] == {
        "value": 0.5,
        "from": "global_default",
    }


def test_a_prior_that_is_null_is_a_question_with_the_tiers_that_there_are() -> None:
    asked = question("Alert when memory pressure rises sharply")
    assert asked.details["choices"] == ["low", "medium"]


def test_a_prior_that_nobody_wrote_is_a_question() -> None:
    changes = {"defaults/priors/change/medium": REMOVED}
    assert question("Alert when latency rises", changes).details["choices"] == ["low", "high"]


def test_the_direction_is_said_mapped_or_the_side_that_is_worse() -> None:
    def direction(text: str) -> Any:
        return clause_of(f"Alert when {text}")["parameters"]["direction"]

    assert direction("headroom is above 5 GB")["value"] == "above"
    assert direction("headroom is critical") == {"value": "below", "from": "primitive_hint"}
    assert direction("headroom is unusual") == {"value": "any", "from": "mapping_rule"}
    percentile = {"primitives/latency/preferred": ["percentile"]}
    mapped = clause_of("Alert when latency drops", percentile)["parameters"]["direction"]
    assert mapped == {"value": "bottom", "from": "mapping_rule"}


# --- bounds ---------------------------------------------------------------------------------


def test_a_prior_outside_the_bounds_is_refused_or_moved_to_the_stricter_side() -> None:
    low = {"primitives/latency/bounds": {"threshold": {"max": 10}}}
    clamp = {**low, "constraints": {"on_bounds_exceeded": "clamp"}}
    assert rules("Alert when latency is critical", low) == ["parameter.bounds"]
    clause = clause_of("Alert when latency is critical", clamp)
    assert clause["parameters"]["value"]["value"] == 10


def test_a_prior_is_never_clamped_to_where_the_rule_is_met_less_often() -> None:
    clamp = {"constraints": {"on_bounds_exceeded": "clamp"}}
    high = {**clamp, "primitives/latency/bounds": {"threshold": {"min": 100}}}
    assert rules("Alert when latency is critical", high) == ["parameter.bounds"]
    below = {**clamp, "primitives/memory_headroom/bounds": {"threshold": {"max": 1e9}}}
    assert rules("Alert when headroom is critical", below) == ["parameter.bounds"]


def test_under_not_the_other_side_is_the_one_where_the_rule_is_met_more_often() -> None:
    text = "Alert when blocked attempts rise unless latency is critical"
    clamp = {"constraints": {"on_bounds_exceeded": "clamp"}}
    low = {**clamp, "primitives/latency/bounds": {"threshold": {"max": 10}}}
    assert rules(text, low) == ["parameter.bounds"]
    high = {**clamp, "primitives/latency/bounds": {"threshold": {"min": 100}}}
    assert compiled(text, small(high))["clauses"][1]["parameters"]["value"]["value"] == 100


# --- the same everywhere --------------------------------------------------------------------

PROGRAM = """
import hashlib
from app.authority.guardrails.compiler.resolve import resolve
from tests.unit.guardrails.documents import small, told
texts = ["Alert when blocked attempts per key rise sharply and are above 10",
         "Block pulls from unknown sources unless size is below 5 GB"]
found = [resolve(text, small()) for text in texts]
said = repr([(told(each), sorted(each.trace.reads), each.trace.words, each.trace.clauses)
             for each in found])
print(hashlib.sha256(said.encode()).hexdigest())
"""


def test_two_processes_with_other_hash_seeds_compile_to_the_same() -> None:
    seen = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "services/api:."},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def test_a_leaf_is_complete_and_its_values_are_in_one_order() -> None:
    intent = 'Block pulls whose licence is one of "mit", "isc" or "mit"'
    leaf = resolve(intent, small()).condition
    assert isinstance(leaf, Leaf)
    assert leaf.params == {"values": ("isc", "mit"), "negate": False}


def test_an_intent_is_kept_as_it_was_said() -> None:
    text = "  Alert when   LATENCY rises!  "
    resolution = resolve(text, small())
    assert resolution.intent.text == text
    assert resolution.trace.words == "alert when latency rises"
    assert isinstance(resolution.intent.when, Clause)
