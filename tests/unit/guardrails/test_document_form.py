"""One meaning, one hash: what of a document's text counts, and which keys a change changes."""

import json

import pytest

from app.authority.guardrails.document.model import Document
from app.authority.guardrails.document.normal_form import changed_keys, normal_form, values_at
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.document.windows import seconds, window
from tests.fakes.guardrails_text import TEXT, edited


def document(text: str = TEXT) -> Document:
    return read(text, "yaml").document


SAME = {
    "1 is 1.0": ("{low: 10, medium: 20, high: 30}", "{low: 10.0, medium: 20.00, high: 3e1}"),
    "60m is 1h": ("change: 1h", "change: 60m"),
    "a list without an order": ("[alert, warn]", "[warn, alert]"),
    "a set without an order": ("[gguf, safetensors]", "[safetensors, gguf]"),
    "a default that is said": ("  change: {}\n", "  change: {version: 1, enabled: true}\n"),
    "an empty section": ("defaults:\n  priors:", "defaults:\n  priors:\n    percentile: {}"),
    "quotes": ("name: small", "'name': \"small\""),
    "keys in another order": (
        "{strategy: change, direction: increase}",
        "{direction: increase, strategy: change}",
    ),
    "comments": ("name: small", "# small\nname: small  # yes"),
}
OTHER = {
    "the order of what is preferred": (
        "preferred: [threshold, percentile]",
        "preferred: [percentile, threshold]",
        {"primitives/model_size/preferred"},
    ),
    "a number": ("high: 30}", "high: 31}", {"primitives/model_size/priors/threshold/high"}),
    "a null that goes": (
        "{low: 30, medium: 20, high: null}",
        "{low: 30, medium: 20}",
        {"primitives/memory_headroom/priors/threshold/high"},
    ),
    "a word": ("[alert, warn]", "[alert]", {"actions/alert/words"}),
    "a phrase": (
        "  odd: {strategy: z_score}",
        "  even: {strategy: z_score}",
        {
            "mappings/even/direction",
            "mappings/even/strategy",
            "mappings/odd/direction",
            "mappings/odd/strategy",
        },
    ),
    "a window": ("change: 1h", "change: 2h", {"defaults/windows/change"}),
    "a set": ("[lmx, someone]", "[lmx]", {"domain/sets/known"}),
    "a text": ("name: small", "name: large", {"name"}),
}


@pytest.mark.parametrize(("old", "new"), SAME.values(), ids=SAME.keys())
def test_what_means_the_same_has_the_same_hash(old: str, new: str) -> None:
    before, after = read(TEXT, "yaml"), read(edited(old, new), "yaml")
    assert before.hash == after.hash
    assert not changed_keys(before.document, after.document)


@pytest.mark.parametrize(("old", "new", "keys"), OTHER.values(), ids=OTHER.keys())
def test_what_means_something_else_has_another_hash_and_its_keys_are_named(
    old: str, new: str, keys: set[str]
) -> None:
    before, after = read(TEXT, "yaml"), read(edited(old, new), "yaml")
    assert before.hash != after.hash
    assert changed_keys(before.document, after.document) == keys
    assert changed_keys(after.document, before.document) == keys


def test_a_phrase_may_be_a_word_of_the_form_itself() -> None:
    text = edited("  odd: {strategy: z_score}", "  windows: {strategy: z_score}")
    text = edited("friends: {one_of: known}", "preferred: {one_of: known}", text)
    assert values_at(document(text), "mappings/windows/strategy") == "z_score"
    assert read(text, "yaml").hash != read(TEXT, "yaml").hash


def test_the_normal_form_is_json_with_sorted_keys_and_seconds() -> None:
    form = json.loads(normal_form(document()))
    assert list(form) == sorted(form)
    assert form["defaults"]["windows"] == {"change": 3600, "z_score": 604800}
    assert form["actions"]["alert"]["words"] == ["alert", "warn"]


def test_values_are_found_by_their_keys_and_read_as_they_are_written() -> None:
    small = document()
    assert values_at(small, "defaults/windows/change") == "1h"
    assert values_at(small, "primitives/model_size/priors/threshold/high") == 30
    assert values_at(small, "actions/alert/words") == ["alert", "warn"]
    assert values_at(small, "primitives/memory_headroom/priors/threshold/high") is None
    assert values_at(small, "primitives/nothing/priors") is None
    assert values_at(small, "name/of/nothing") is None


@pytest.mark.parametrize(
    ("text", "length"), [("90s", 90), ("15m", 900), ("1h", 3600), ("24h", 86400), ("30d", 2592000)]
)
def test_windows_are_seconds(text: str, length: int) -> None:
    assert seconds(text) == length
    assert seconds(window(length)) == length


@pytest.mark.parametrize("text", ["", "1", "h", "0h", "-1h", "1.5h", "1 h", "1H", "1w", "١h"])
def test_other_texts_are_no_windows(text: str) -> None:
    with pytest.raises(ValueError, match="is no window"):
        seconds(text)


def test_the_hash_is_the_same_on_every_machine() -> None:
    """Golden: a change of the normal form makes every document another one."""
    assert read(TEXT, "yaml").hash == GOLDEN


GOLDEN = "04a4bbb6eca2662e9b3cdd283a7379ad1c4658e1e43d48618c2d48a9eab44e3c"
