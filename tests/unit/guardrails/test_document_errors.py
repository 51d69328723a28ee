"""Every way in which a document can be wrong: where it is, and what to do about it."""

from typing import NamedTuple

import pytest

from app.authority.guardrails.document.reading import read
from app.domain.refusals import GuardrailsInvalid
from tests.fakes.guardrails_text import TEXT, edited, position


class Wrong(NamedTuple):
    """`old` becomes `new`; the error is at `at`, its path is `path`, its sentence has `says`."""

    old: str
    new: str
    at: str
    path: str
    says: str


def errors_of(text: str) -> list[dict[str, object]]:
    with pytest.raises(GuardrailsInvalid) as refused:
        read(text, "yaml")
    errors = refused.value.details["errors"]
    assert errors
    return list(errors)


NAMES = [
    Wrong(
        "  threshold: {}\n",
        "  treshold: {}\n  threshold: {}\n",
        "treshold",
        "strategies/treshold",
        "There is no strategy treshold: did you mean threshold?",
    ),
    Wrong(
        "percentile: {version: 1}",
        "percentile: {version: 9}",
        "version: 9",
        "strategies/percentile/version",
        "There is no version 9 of percentile: the newest is 1.",
    ),
    Wrong(
        "  string: [equals]",
        "  strin: [equals]\n  string: [equals]",
        "strin:",
        "type_compatibility/strin",
        "There is no type strin: did you mean string?",
    ),
    Wrong(
        "  string: [equals]",
        "  string: [equals, equal]",
        "equal]",
        "type_compatibility/string/1",
        "There is no strategy equal: did you mean equals?",
    ),
    Wrong(
        "  int: [threshold, percentile]",
        "  int: [threshold, percentile, z_score]",
        "z_score]\n  time",
        "type_compatibility/int/2",
        "z_score does not take int: type_compatibility only narrows",
    ),
    Wrong(
        "  string: [equals]",
        "  string: [equals, equals]",
        "equals]\n  cat",
        "type_compatibility/string/1",
        "equals is in this list already",
    ),
    Wrong(
        "  decision<boolean>: [composite]\n",
        "",
        "type_compatibility",
        "type_compatibility/decision<boolean>",
        "composite is enabled and nothing may be given to it",
    ),
    Wrong(
        "    words: [size]",
        "    words: [size]\n  modelsize:\n    words: [other size]",
        "modelsize",
        "primitives/modelsize",
        "There is no primitive modelsize: did you mean model_size?",
    ),
    Wrong(
        "  string: [equals]\n",
        "",
        "model_publisher",
        "primitives/model_publisher",
        "type_compatibility has no strategy that is enabled",
    ),
    Wrong(
        "preferred: [threshold, percentile]",
        "preferred: [threshold, change]",
        "change]\n    bounds",
        "primitives/model_size/preferred/1",
        "change does not go with int: choose percentile or threshold.",
    ),
    Wrong(
        "preferred: [threshold, percentile]",
        "preferred: [threshold, foo]",
        "foo",
        "primitives/model_size/preferred/1",
        "There is no strategy foo: there is change, composite, equals, percentile, threshold and",
    ),
    Wrong(
        "preferred: [threshold, percentile]",
        "preferred: [threshold, threshold]",
        "threshold]\n    bounds",
        "primitives/model_size/preferred/1",
        "threshold is in this list already: say it once.",
    ),
    Wrong(
        "    discouraged: [z_score]",
        "    discouraged: [z_score]\n    preferred: [z_score]",
        "z_score]\n    priors",
        "primitives/memory_headroom/preferred/0",
        "z_score is preferred and discouraged: choose one.",
    ),
    Wrong(
        "discouraged: [z_score]",
        "discouraged: [zscore]",
        "zscore",
        "primitives/memory_headroom/discouraged/0",
        "There is no strategy zscore: did you mean z_score?",
    ),
    Wrong(
        "bounds:\n      threshold: {min: 1, max: 1000}",
        "bounds:\n      change: {min: 1, max: 1000}",
        "change: {min: 1, max",
        "primitives/model_size/bounds/change",
        "change does not go with int",
    ),
    Wrong(
        "rises: {strategy: change",
        "rises: {strategy: chance",
        "strategy: chance",
        "mappings/rises/strategy",
        "There is no strategy chance: did you mean change?",
    ),
    Wrong(
        "rises: {strategy: change",
        "rises: {strategy: composite",
        "strategy: composite",
        "mappings/rises/strategy",
        "composite puts conditions together: name one for a single number.",
    ),
    Wrong(
        "direction: increase",
        "direction: up",
        "direction: up",
        "mappings/rises/direction",
        "up is no direction of change: write increase, decrease or any.",
    ),
    Wrong(
        "odd: {strategy: z_score}",
        "odd: {strategy: equals, direction: up}",
        "direction: up",
        "mappings/odd/direction",
        "up is no direction of equals: it has none; take it out.",
    ),
    Wrong(
        "  instructions: [Tell early., Tell all.]\n  preferred: [z_score]",
        "  instructions: [Tell early., Tell all.]\n  preferred: [z]",
        "z]\n",
        "application_context/preferred/0",
        "There is no strategy z:",
    ),
    Wrong(
        "  change: {}\n",
        "  change: {enabled: false}\n",
        "strategy: change",
        "mappings/rises/strategy",
        "change is not enabled: enable it under strategies, or name another one.",
    ),
    Wrong(
        "default: threshold",
        "default: thresholds",
        "default: thresholds",
        "preferences/default",
        "There is no strategy thresholds: did you mean threshold?",
    ),
    Wrong(
        "default: threshold",
        "default: percentile",
        "default: percentile",
        "preferences/default",
        "percentile is disallowed under constraints: name another one.",
    ),
    Wrong(
        "none_of: good_formats",
        "none_of: god_formats",
        "none_of: god_formats",
        "primitives/model_format/terms/odd format/none_of",
        "There is no set god_formats under domain: did you mean good_formats?",
    ),
    Wrong(
        "{none_of: good_formats}",
        "{none_of: good_formats, one_of: good_formats}",
        "odd format",
        "primitives/model_format/terms/odd format",
        "Say one_of or none_of, and one of them only.",
    ),
    Wrong(
        "{none_of: good_formats}",
        "{}",
        "odd format",
        "primitives/model_format/terms/odd format",
        "Say one_of or none_of, and one of them only.",
    ),
    Wrong(
        "    words: [latency]",
        "    words: [latency]\n    terms:\n      snail: {one_of: known}",
        "snail",
        "primitives/latency/terms/snail",
        "latency is time_series<float>, which no set has: take it out.",
    ),
    Wrong(
        "good_formats: [gguf, safetensors]",
        "good_formats: [gguf, pickle]",
        "none_of",
        "primitives/model_format/terms/odd format/none_of",
        "good_formats has pickle, which model_format never is: it is safetensors, gguf or other.",
    ),
    Wrong(
        "disallowed_strategies: [percentile]",
        "disallowed_strategies: [percentil]",
        "percentil]",
        "constraints/disallowed_strategies/0",
        "There is no strategy percentil: did you mean percentile?",
    ),
    Wrong(
        "disallowed_primitives: [actor]",
        "disallowed_primitives: [actors]",
        "actors",
        "constraints/disallowed_primitives/0",
        "There is no primitive actors: did you mean actor?",
    ),
    Wrong(
        "minimum_versions: {threshold: 1}",
        "minimum_versions: {treshold: 1}",
        "treshold",
        "constraints/minimum_versions/treshold",
        "There is no strategy treshold: did you mean threshold?",
    ),
    Wrong(
        "minimum_versions: {threshold: 1}",
        "minimum_versions: {threshold: 0}",
        "threshold: 0",
        "constraints/minimum_versions/threshold",
        "Versions of threshold begin with 1: write 1 or more.",
    ),
    Wrong(
        "max_conditions: 3",
        "max_conditions: 0",
        "max_conditions",
        "constraints/max_conditions",
        "max_conditions must be from 1 to 100.",
    ),
]

LIMITS = [
    Wrong(
        "  percentile:\n    value: {min: 1",
        "  percentil:\n    value: {min: 1",
        "percentil:",
        "parameters/percentil",
        "There is no strategy percentil: did you mean percentile?",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    volume: {min: 1, max: 50}",
        "volume",
        "parameters/percentile/volume",
        "percentile has no parameter volume: did you mean value?",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    direction: {min: 1, max: 50}",
        "direction",
        "parameters/percentile/direction",
        "percentile has no parameter with bounds direction: there is value and window.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {min: 50, max: 1}",
        "value: {min: 50",
        "parameters/percentile/value",
        "min 50 is above max 1: turn them round.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {min: 1, max: 101}",
        "max: 101",
        "parameters/percentile/value/max",
        "max must be from 0 up to 100: the strategy takes no other.",
    ),
    Wrong(
        "    value: {min: 1, max: 50}",
        "    value: {}",
        "value: {}",
        "parameters/percentile/value",
        "Give min or max, or take it out: no limit is none.",
    ),
    Wrong(
        "threshold: {min: 1, max: 1000}",
        "threshold: {min: 1000, max: 1}",
        "threshold: {min: 1000",
        "primitives/model_size/bounds/threshold",
        "min 1000 is above max 1: turn them round.",
    ),
    Wrong(
        "threshold: {min: 1, max: 1000}",
        "percentile: {min: 60, max: 70}",
        "percentile: {min: 60",
        "primitives/model_size/bounds/percentile",
        "Nothing lies within these bounds and those of parameters/percentile/value",
    ),
    Wrong(
        "{low: 10, medium: 20, high: 30}",
        "{low: 10, medium: 20, high: 3000}",
        "high: 3000",
        "primitives/model_size/priors/threshold/high",
        "high is 3000, out of its bounds: write from 1 up to 1000.",
    ),
    Wrong(
        "{low: 10, medium: 20, high: 30}",
        "{low: 10, medium: 40, high: 30}",
        "threshold: {low: 10",
        "primitives/model_size/priors/threshold",
        "Put the priors in order: low <= medium <= high",
    ),
    Wrong(
        "{low: 20, medium: 10, high: 5}",
        "{low: 5, medium: 10, high: 20}",
        "percentile: {low: 5",
        "primitives/model_size/priors/percentile",
        "Put the priors in order: low >= medium >= high",
    ),
    Wrong(
        "{low: 30, medium: 20, high: null}",
        "{low: 10, medium: 20, high: null}",
        "threshold: {low: 10, medium: 20, high: null",
        "primitives/memory_headroom/priors/threshold",
        "Put the priors in order: low >= medium >= high",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "z_score: {low: 4, medium: 3, high: 2}",
        "z_score: {low: 4",
        "defaults/priors/z_score",
        "Put the priors in order: low <= medium <= high",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "z_score: {low: 0, medium: 3, high: 4}",
        "low: 0",
        "defaults/priors/z_score/low",
        "low is 0, out of its bounds: write above 0.",
    ),
    Wrong(
        "z_score: {low: 2, medium: 3, high: 4}",
        "equals: {low: 2, medium: 3, high: 4}",
        "equals: {low",
        "defaults/priors/equals",
        "equals has no number that a severity could set: take it out.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {z_score: 7d, change: an hour}",
        "change: an hour",
        "defaults/windows/change",
        "'an hour' is no window: write 15m, 24h or 30d.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {z_score: 7d, change: 30d}",
        "change: 30d",
        "defaults/windows/change",
        "30d is 2592000 seconds, out of its bounds: write from 300 up to 86400.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {threshold: 7d}",
        "threshold: 7d",
        "defaults/windows/threshold",
        "threshold looks at no window: take it out.",
    ),
    Wrong(
        "windows: {z_score: 7d, change: 1h}",
        "windows: {zscore: 7d}",
        "zscore: 7d",
        "defaults/windows/zscore",
        "There is no strategy zscore: did you mean z_score?",
    ),
]

PHRASES = [
    Wrong(
        "[alert, warn]",
        "[alert, Warn]",
        "Warn",
        "actions/alert/words/1",
        "Write 'Warn' as 'warn': in lower case, with single spaces.",
    ),
    Wrong(
        "[ask for approval]",
        "['ask  for approval']",
        "'ask  for",
        "actions/require_approval/words/0",
        "Write 'ask  for approval' as 'ask for approval'",
    ),
    Wrong(
        "[alert, warn]",
        "[alert, 'warn/tell']",
        "'warn/tell'",
        "actions/alert/words/1",
        "'warn/tell' is no phrase: write words of letters and digits",
    ),
    Wrong(
        "[alert, warn]",
        f"[alert, {'w' * 81}]",
        "w" * 81,
        "actions/alert/words/1",
        "A phrase has at most 80 characters: shorten it.",
    ),
    Wrong(
        "[alert, warn]",
        "[alert, alert]",
        "alert]",
        "actions/alert/words/1",
        "alert is in this list already: say it once.",
    ),
    Wrong(
        "block: {words: [block]}",
        "block: {words: [block, warn]}",
        "warn]}\npoints",
        "actions/block/words/1",
        "warn stands for the action alert already, and here for the action block",
    ),
    Wrong(
        "pull: {words: [pull, pulls]}",
        "pull: {words: [pull, load]}",
        "load]}\nprim",
        "points/pull/words/1",
        "load stands for the point load already, and here for the point pull",
    ),
    Wrong(
        "words: [publisher]",
        "words: [publisher, size]",
        "size]\n    terms",
        "primitives/model_publisher/words/1",
        "size stands for model_size already, and here for model_publisher",
    ),
    Wrong(
        "friends: {one_of: known}",
        "odd format: {one_of: known}",
        "odd format: {one_of",
        "primitives/model_publisher/terms/odd format",
        "odd format stands for a set of model_format already",
    ),
    Wrong(
        "medium: [noticeably]",
        "medium: [noticeably, slightly]",
        "slightly]\n    high",
        "severity/words/medium/1",
        "slightly stands for severity low already, and here for severity medium",
    ),
    Wrong(
        "urgent: [urgently]",
        "urgent: [very]",
        "very]\nactions",
        "severity/urgent/0",
        "very stands for severity high already, and here for urgency",
    ),
    Wrong(
        "odd: {strategy: z_score}",
        "size: {strategy: z_score}",
        "size: {strategy",
        "mappings/size",
        "size stands for model_size already, and here for a mapping",
    ),
    Wrong(
        "friends: {one_of: known}",
        "gguf: {one_of: known}",
        "gguf: {one_of",
        "primitives/model_publisher/terms/gguf",
        "gguf stands for a value of model_format already",
    ),
    Wrong(
        "words: [latency]",
        "words: [latency, above]",
        "above",
        "primitives/latency/words/1",
        "above means something in every intent: write latency another way.",
    ),
    Wrong(
        "words: [latency]",
        "words: []",
        "words: []",
        "primitives/latency/words",
        "Give words for latency: nothing else can say it in an intent.",
    ),
    Wrong(
        "    high: [sharply, very]\n",
        "",
        "words:\n    low",
        "severity/words/high",
        "Give words for severity high: no one can say it.",
    ),
    Wrong(
        "  block: {words: [block]}\n",
        "",
        "actions",
        "actions/block",
        "Give words for the action block: all three are needed.",
    ),
    Wrong(
        "  early: -1",
        "  early: -3",
        "early: -3",
        "bias_rules/early",
        "A shift must be -2, -1, 0, 1 or 2 tiers.",
    ),
    Wrong(
        "  early: -1",
        "  Early: -1",
        "Early: -1",
        "bias_rules/Early",
        "Write 'Early' as 'early'",
    ),
    Wrong(
        "good_formats: [gguf, safetensors]",
        "good_formats: [gguf, safetensors]\n    Bad-Name: [x]",
        "Bad-Name",
        "domain/sets/Bad-Name",
        "Name the set 'Bad-Name' with a-z, 0-9 and _, and a letter first.",
    ),
    Wrong(
        "known: [lmx, someone]",
        "known: []",
        "known: []",
        "domain/sets/known",
        "Put something into known, or take it and its terms out.",
    ),
    Wrong(
        "known: [lmx, someone]",
        "known: [lmx, Qwen]",
        "Qwen",
        "domain/sets/known/1",
        "Write 'Qwen' in lower case, without spaces around it.",
    ),
    Wrong(
        "known: [lmx, someone]",
        "known: [lmx, lmx]",
        "lmx]",
        "domain/sets/known/1",
        "lmx is in this list already: say it once.",
    ),
    Wrong(
        "[Tell early., Tell all.]",
        "[Tell early., ' ']",
        "' '",
        "application_context/instructions/1",
        "An instruction is a sentence: write one, or take it out.",
    ),
]

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


@pytest.mark.parametrize("wrong", NAMES + LIMITS + PHRASES + SHAPE, ids=lambda wrong: wrong.says)
def test_what_is_wrong_is_told_with_its_line_and_column(wrong: Wrong) -> None:
    text = edited(wrong.old, wrong.new)
    line, column = position(text, wrong.at)
    found = [error for error in errors_of(text) if wrong.says in str(error["message"])]
    assert [(e["path"], e["line"], e["column"]) for e in found] == [(wrong.path, line, column)]


def test_what_the_cases_break_is_whole_before() -> None:
    assert read(TEXT, "yaml").document.name == "small"


def test_most_mistakes_are_told_once_and_nothing_follows_from_them() -> None:
    """A broken part is left out, so that what names it is no second error.

    What `wurse` was to say is not known, so that the priors are read as above.
    """
    for wrong in (each for each in (*SHAPE, *PHRASES) if each.at != "wurse"):
        assert len(errors_of(edited(wrong.old, wrong.new))) == 1, wrong.says


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
    assert refused.value.message == (
        "The guardrails document cannot be used: it has one error. Line 2, column 1: nane is not "
        "known here: did you mean name?"
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
