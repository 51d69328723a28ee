"""Guardrails documents: their order means nothing, every change has a name, and no text breaks."""

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authority.guardrails.document.normal_form import (
    ORDERED,
    changed_keys,
    leaves,
    normal_form,
    values_at,
)
from app.authority.guardrails.document.problems import Path, is_at
from app.authority.guardrails.document.reading import FORMS, Form, read
from app.authority.guardrails.document.tasks import read_tasks
from app.authority.guardrails.document.tree import read_tree
from app.domain.refusals import GuardrailsInvalid
from app.settings import TEMPLATES
from tests.fakes.guardrails_text import TEXT

SHIPPED = (TEMPLATES / "guardrails.yaml").read_text("utf-8")
ORIGINAL = read(TEXT, "yaml")
TREE = read_tree(TEXT).value

NUMBERS: list[Path] = [
    ("primitives", "model_size", "priors", "threshold", "low"),
    ("primitives", "model_size", "priors", "percentile", "high"),
    ("primitives", "memory_headroom", "priors", "threshold", "medium"),
    ("primitives", "model_size", "bounds", "threshold", "max"),
    ("defaults", "priors", "z_score", "high"),
    ("parameters", "change", "window", "max"),
    ("bias_rules", "early"),
    ("constraints", "max_conditions"),
]
TEXTS: list[Path] = [
    ("name",),
    ("application_context", "name"),
    ("application_context", "description"),
]
LISTS: list[Path] = [
    ("actions", "alert", "words"),
    ("severity", "words", "high"),
    ("severity", "urgent"),
    ("primitives", "latency", "words"),
    ("domain", "sets", "known"),
    ("application_context", "instructions"),
]


def shuffled(value: Any, chance: random.Random, path: Path = ()) -> Any:
    """The same mapping with its keys, and its lists without an order, in another order."""
    if isinstance(value, dict):
        items = [(key, shuffled(each, chance, (*path, key))) for key, each in value.items()]
        return dict(chance.sample(items, len(items)))
    if isinstance(value, list) and not any(is_at(path, place) for place in ORDERED):
        return chance.sample(value, len(value))
    return value


def written(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def with_value(path: Path, new: Any) -> Any:
    copied = json.loads(json.dumps(TREE))
    section = copied
    for step in path[:-1]:
        section = section[step]
    section[path[-1]] = new
    return copied


def read_or_refused(text: str, form: Form) -> bool:
    """Whether a text is a document; anything else that is raised is a bug."""
    try:
        read(text, form)
    except GuardrailsInvalid as refused:
        errors = refused.details["errors"]
        assert errors
        for error in errors:
            assert error["line"] >= 1
            assert error["column"] >= 1
            assert error["message"].strip()
        json.dumps(errors)
        return False
    return True


@settings(max_examples=40)
@given(chance=st.randoms(use_true_random=False))
def test_order_changes_neither_hash_nor_meaning(chance: random.Random) -> None:
    again = read(written(shuffled(TREE, chance)), "yaml")
    assert again.hash == ORIGINAL.hash
    assert normal_form(again.document) == normal_form(ORIGINAL.document)
    assert not changed_keys(ORIGINAL.document, again.document)


@settings(max_examples=3)
@given(chance=st.randoms(use_true_random=False))
def test_the_shipped_document_has_no_order_either(chance: random.Random) -> None:
    again = read(written(shuffled(read_tree(SHIPPED).value, chance)), "yaml")
    assert again.hash == read(SHIPPED, "yaml").hash


@settings(max_examples=50)
@given(path=st.sampled_from(NUMBERS), number=st.integers(-5, 200) | st.floats(0, 60))
def test_a_changed_number_is_a_changed_key(path: Path, number: float) -> None:
    text = written(with_value(path, number))
    if not read_or_refused(text, "yaml"):
        return
    changed = read(text, "yaml")
    same = values_at(ORIGINAL.document, "/".join(map(str, path))) == number
    expected = set() if same else {"/".join(map(str, path))}
    assert changed_keys(ORIGINAL.document, changed.document) == expected
    assert (changed.hash == ORIGINAL.hash) == same


@settings(max_examples=30)
@given(path=st.sampled_from(TEXTS), text=st.text("abc XYZ", max_size=9))
def test_a_changed_text_is_a_changed_key(path: Path, text: str) -> None:
    changed = read(written(with_value(path, text)), "yaml")
    same = values_at(ORIGINAL.document, "/".join(map(str, path))) == text
    expected = set() if same else {"/".join(map(str, path))}
    assert changed_keys(ORIGINAL.document, changed.document) == expected


@settings(max_examples=30)
@given(
    path=st.sampled_from(LISTS),
    more=st.lists(st.text("xyz", min_size=2, max_size=5), min_size=1, max_size=3, unique=True),
)
def test_a_longer_list_is_a_changed_key(path: Path, more: list[str]) -> None:
    old: Any = TREE
    for step in path:
        old = old[step]
    changed = read(written(with_value(path, [*more, *old])), "yaml")
    assert changed_keys(ORIGINAL.document, changed.document) == {"/".join(map(str, path))}
    assert changed.hash != ORIGINAL.hash


@settings(max_examples=50)
@given(data=st.data())
def test_a_leaf_that_goes_is_a_changed_key(data: st.DataObject) -> None:
    """What may be left out: it becomes its default, or it is not there any more."""
    keys = sorted(path for path, _ in leaves(ORIGINAL.document))
    key = data.draw(st.sampled_from(keys))
    copied = json.loads(json.dumps(TREE))
    section = copied
    *above, last = key.split("/")
    for step in above:
        section = section.get(step, {})
    was_there = section.pop(last, None) is not None
    text = written(copied)
    if not was_there or not read_or_refused(text, "yaml"):
        return
    changed = read(text, "yaml")
    different = changed_keys(ORIGINAL.document, changed.document)
    assert (changed.hash == ORIGINAL.hash) == (not different)
    assert different <= {key}


@given(text=st.text(), form=st.sampled_from(FORMS))
def test_no_text_raises_anything_but_the_refusal(text: str, form: Form) -> None:
    assert not read_or_refused(text, form)


@given(raw=st.binary(max_size=300))
def test_no_bytes_do(raw: bytes) -> None:
    assert not read_or_refused(raw.decode("utf-8", "surrogateescape"), "yaml")
    assert not read_or_refused(raw.decode("latin-1"), "markdown")


YAML_BITS = st.lists(
    st.sampled_from(
        [
            *(
                "version: 1",
                "\n",
                "  ",
                "- ",
                ": ",
                "? ",
                "[",
                "]",
                "{",
                "}",
                ",",
                "&a ",
                "*a",
                "!t ",
            ),
            *(
                "|",
                ">",
                "'",
                '"',
                "#",
                "%YAML 1.1",
                "---",
                "...",
                "<<",
                "~",
                "1",
                ".nan",
                "0x1",
                "\t",
            ),
            *("strategies", "threshold", "primitives", "words", "severity", "actions", "domain"),
            *(
                "application_context",
                "preferred",
                "null",
                "true",
                "```yaml\n",
                "```\n",
                "\x00",
                "\u2028",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@settings(max_examples=120)
@given(text=YAML_BITS, form=st.sampled_from(FORMS))
def test_nothing_made_of_pieces_of_yaml_does(text: str, form: Form) -> None:
    assert not read_or_refused(text, form)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False)
    | st.text("ab1", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab/_", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(data=st.data())
def test_no_value_in_any_place_does(data: st.DataObject) -> None:
    """Every place of a whole document, with anything in it."""
    copied = json.loads(json.dumps(TREE))
    section: Any = copied
    while True:
        steps = list(section) if isinstance(section, dict) else list(range(len(section)))
        step = data.draw(st.sampled_from(steps))
        inner = section[step]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        section = inner
    section[step] = data.draw(JSON)
    read_or_refused(json.dumps(copied), "yaml")


@given(text=st.text() | YAML_BITS)
def test_no_list_of_tasks_does(text: str) -> None:
    with pytest.raises(GuardrailsInvalid) as refused:
        read_tasks(text)
    assert refused.value.details["errors"]
