"""Words in a document: each is well formed, and stands for one thing."""

import pytest

from app.authority.guardrails.document.reading import read
from tests.fakes.guardrails_text import Wrong, assert_told, edited, errors_of

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


@pytest.mark.parametrize("wrong", PHRASES, ids=lambda wrong: wrong.says)
def test_what_is_wrong_is_told_with_its_line_and_column(wrong: Wrong) -> None:
    assert_told(wrong)


def test_nothing_else_follows_from_a_wrong_phrase() -> None:
    for wrong in PHRASES:
        assert len(errors_of(wrong.text)) == 1, wrong.says


SAYS_THE_SAME = "larger than: {strategy: threshold, direction: above, primitive: model_size}"


def test_a_mapping_may_say_what_a_comparator_compares_and_not_another_side() -> None:
    assert read(edited("odd: {strategy: z_score}", SAYS_THE_SAME), "yaml")
    other = SAYS_THE_SAME.replace("above", "below")
    (told,) = errors_of(edited("odd: {strategy: z_score}", other))
    assert "larger than means something in every intent" in told["message"]
