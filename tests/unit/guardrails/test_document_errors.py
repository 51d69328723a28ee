"""All errors of a document are told at once, each where it stands."""

import pytest

from app.authority.guardrails.document.problems import instead
from app.authority.guardrails.document.reading import read
from app.domain.refusals import GuardrailsInvalid
from tests.fakes.guardrails_text import TEXT, edited, errors_of


def test_what_the_cases_break_is_whole_before() -> None:
    assert read(TEXT, "yaml").document.name == "small"


def test_all_errors_are_told_at_once_in_the_order_of_the_text() -> None:
    """Of the YAML, of its shape, of names and of numbers."""
    text = TEXT
    for old, new in (
        ("name: small", "nane: small"),
        ("z_score: {enabled: true}", "z_score: {enabled: no}"),
        ("low: [slightly]", "low: [slightly]\n    low: [mildly]"),
        ("[alert, warn]", "[alert, Warn]"),
        ("high: 30}", "high: 3000}"),
        ("direction: increase", "direction: up"),
        ("default: threshold", "default: thresholds"),
    ):
        text = edited(old, new, text)
    paths = [error["path"] for error in errors_of(text)]
    assert paths == [
        "nane",
        "strategies/z_score/enabled",
        "severity/words/low",
        "actions/alert/words/1",
        "primitives/model_size/priors/threshold/high",
        "mappings/rises/direction",
        "preferences/default",
    ]


def test_the_refusal_says_how_many_errors_there_are_and_the_first_of_them() -> None:
    with pytest.raises(GuardrailsInvalid) as refused:
        read(edited("name: small", "nane: small"), "yaml")
    assert refused.value.message.startswith(
        "The guardrails document cannot be used: it has one error. Line 2, column 1: nane is not "
        "known here: did you mean name? "
    )


def test_no_more_errors_are_listed_than_anybody_reads() -> None:
    many = "".join(f"  k{number}: 1\n" for number in range(300))
    with pytest.raises(GuardrailsInvalid) as refused:
        read(edited("strategies:\n", f"strategies:\n{many}"), "yaml")
    assert len(refused.value.details["errors"]) == 200
    assert "it has 300 errors" in refused.value.message
    assert "Only the first 200 are listed." in refused.value.message


def test_a_prior_outside_its_bounds_is_read_where_it_is_to_be_clamped() -> None:
    """The compiler clamps it, and only towards the stricter side."""
    text = edited("high: 30}", "high: 3000}")
    text = edited("on_bounds_exceeded: reject", "on_bounds_exceeded: clamp", text)
    guide = read(text, "yaml").document.primitives["model_size"]
    assert guide.priors["threshold"]["high"] == 3000


def test_a_prior_that_the_strategy_itself_does_not_take_is_refused_even_then() -> None:
    text = edited("{low: 20, medium: 10, high: 5}", "{low: 200, medium: 10, high: 5}")
    text = edited("on_bounds_exceeded: reject", "on_bounds_exceeded: clamp", text)
    assert [error["path"] for error in errors_of(text)] == [
        "primitives/model_size/priors/percentile/low"
    ]


@pytest.mark.parametrize(
    ("count", "end"), [(2, "n00 and n01."), (16, "n14 and n15."), (17, "n14 and 2 more.")]
)
def test_of_many_names_an_error_counts_the_rest(count: int, end: str) -> None:
    assert instead("other", [f"n{at:02}" for at in range(count)]).endswith(end)
