"""Shapes in a document: keys that nobody knows, values of another type, what is missing."""

from dataclasses import fields

import pytest

from app.authority.guardrails.document.model import Document
from tests.fakes.guardrails import SHIPPED
from tests.fakes.guardrails_text import TEXT, Wrong, assert_told, edited, errors_of

SHAPE = [
    Wrong(
        "name: small",
        "nane: small",
        "nane",
        "nane",
        "nane is not known here: did you mean name?",
    ),
    Wrong(
        "    worse: below",
        "    wurse: below",
        "wurse",
        "primitives/memory_headroom/wurse",
        "wurse is not known here: did you mean worse?",
    ),
    Wrong("version: 1\n", "version: 2\n", "version: 2", "version", "version must be 1."),
    Wrong("version: 1\n", "", "name: small", "version", "version is missing: say it."),
    Wrong(
        "severity:\n  default: medium",
        "severity:\n  default: middle",
        "default: middle",
        "severity/default",
        "default must be low, medium or high.",
    ),
    Wrong(
        "    low: [slightly]",
        "    lower: [slightly]\n    low: [a little]",
        "lower",
        "severity/words/lower",
        "lower is not known here: write low, medium or high.",
    ),
    Wrong(
        "  block: {words: [block]}",
        "  block: {words: [block]}\n  allow: {words: [allow]}",
        "allow",
        "actions/allow",
        "allow is not known here: write alert, require_approval or block.",
    ),
    Wrong(
        "  pull: {words: [pull, pulls]}",
        "  pull: {words: [pull, pulls]}\n  tick: {words: [tick]}",
        "tick",
        "points/tick",
        "tick is not known here: write load, pull, delete, purge or rebind.",
    ),
    Wrong(
        "words: [latency]",
        "words: latency",
        "words: latency",
        "primitives/latency/words",
        "words must be a list.",
    ),
    Wrong(
        "words: [latency]",
        "words: [latency, 3]",
        "3]",
        "primitives/latency/words/1",
        "1 must be a text (in quotes where it looks like something else).",
    ),
    Wrong(
        "z_score: {enabled: true}",
        "z_score: {enabled: 1}",
        "enabled: 1",
        "strategies/z_score/enabled",
        "enabled must be true or false.",
    ),
    Wrong(
        "max_conditions: 3",
        "max_conditions: 2.5",
        "max_conditions",
        "constraints/max_conditions",
        "max_conditions must be a whole number.",
    ),
    Wrong(
        "{low: 10, medium: 20, high: 30}",
        "{low: 10, medium: true, high: 30}",
        "medium: true",
        "primitives/model_size/priors/threshold/medium",
        "medium must be a number, or null.",
    ),
    Wrong(
        "rises: {strategy: change, direction: increase}",
        "rises: {direction: increase}",
        "rises",
        "mappings/rises/strategy",
        "strategy is missing: say it.",
    ),
    Wrong(
        "parameters:\n  percentile:\n    value: {min: 1, max: 50}",
        "parameters:\n  percentile: 3",
        "percentile: 3",
        "parameters/percentile",
        "percentile must be a mapping of names to values.",
    ),
    Wrong(
        "    bounds:\n      threshold: {min: 1, max: 1000}",
        "    bounds: null",
        "bounds",
        "primitives/model_size/bounds",
        "bounds must be a mapping of names to values.",
    ),
]


@pytest.mark.parametrize("wrong", SHAPE, ids=lambda wrong: wrong.says)
def test_what_is_wrong_is_told_with_its_line_and_column(wrong: Wrong) -> None:
    assert_told(wrong)


def test_what_does_not_fit_is_left_out_so_that_nothing_follows_from_it() -> None:
    """What `wurse` was to say is not known, so that its priors are read as if nothing was said."""
    for wrong in (each for each in SHAPE if each.at != "wurse"):
        assert len(errors_of(wrong.text)) == 1, wrong.says


def test_what_is_inside_of_what_nobody_knows_is_no_second_error() -> None:
    text = edited("  block: {words: [block]}", "  block: {words: [block]}\n  '': {'': null}")
    assert [(error["path"], error["message"]) for error in errors_of(text)] == [
        ("actions/", "'' is not known here: write alert, require_approval or block."),
    ]


SECTIONS = "The sections are version, name, strategies, type_compatibility, parameters, severity, "


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("taks: {}", "taks is not known here: take it out. "),
        ("domains: {}", "domains is not known here: did you mean domain, which is there already? "),
        ('"": 1', "'' is not known here: take it out. "),
        (f"{'k' * 900}: 1", f"{'k' * 80} is not known here: take it out. "),
    ],
)
def test_a_section_that_nobody_knows_is_told_which_there_are(line: str, says: str) -> None:
    (error,) = errors_of(f"{TEXT}\n{line}\n")
    assert error["message"].startswith(says + SECTIONS)
    assert error["message"].endswith("constraints and domain.")


@pytest.mark.parametrize("name", [each.name for each in fields(Document)])
def test_a_section_with_a_typing_error_is_one_error_and_is_read_as_it_was_meant(name: str) -> None:
    text = SHIPPED.replace(f"\n{name}:", f"\n{name[:-1]}:")
    assert text != SHIPPED
    (error,) = errors_of(text)
    assert error["path"] == name[:-1]
    assert f"did you mean {name}?" in error["message"]


def test_what_stands_in_a_section_with_a_typing_error_is_looked_at_where_it_stands() -> None:
    text = SHIPPED.replace("\npreferences:", "\npreferenzes:\n  preferd: [change]")
    whole, inside = errors_of(text)
    assert whole["path"] == "preferenzes"
    assert inside["message"] == "preferd is not known here: did you mean preferred?"
    assert (inside["line"], inside["column"]) == (whole["line"] + 1, 3)


def test_a_section_that_is_missing_is_one_error_and_not_one_for_each_mention_of_it() -> None:
    start = SHIPPED.index("\nprimitives:")
    end = SHIPPED.index("\napplication_context:")
    (error,) = errors_of(SHIPPED[:start] + SHIPPED[end:])
    assert error["message"] == "primitives is missing: say it."


def test_a_name_of_which_all_are_there_already_is_told_which_there_are() -> None:
    text = edited("percentile: {version: 1}", "percentile: {version: 1, enabled: true, zzz: 1}")
    (error,) = errors_of(text)
    assert error["message"] == "zzz is not known here: there is enabled and version."
