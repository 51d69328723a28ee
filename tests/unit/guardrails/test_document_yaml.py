"""What of YAML a document may use: what JSON can say, with the line of everything that is more."""

import pytest

from app.authority.guardrails.document.reading import read
from app.authority.guardrails.document.tree import MAX_BYTES, MAX_DEPTH, MAX_VALUES, read_tree
from app.domain.refusals import GuardrailsInvalid
from tests.fakes.guardrails_text import TEXT, edited

EMPTY = "The document is empty: begin with version: 1, or with a copy of config/guardrails.yaml."
LAUGHS = "a: &a [ha, ha, ha, ha]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def errors_of(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(GuardrailsInvalid) as refused:
        read(text, "yaml")
    return [(e["line"], e["column"], e["message"]) for e in refused.value.details["errors"]]


REFUSED = {
    "a date": ("name: 2026-01-01", 7, "Put 2026-01-01 in quotes if it is a text"),
    "a yes": ("name: yes", 7, "Put yes in quotes if it is a text"),
    "a tilde": ("name: ~", 7, "Put ~ in quotes if it is a text"),
    "a capital True": ("name: True", 7, "Put True in quotes if it is a text"),
    "an octal number": ("name: 017", 7, "Put 017 in quotes if it is a text"),
    "a hexadecimal number": ("name: 0x1F", 7, "Put 0x1F in quotes if it is a text"),
    "a sexagesimal number": ("name: 1:30", 7, "Put 1:30 in quotes if it is a text"),
    "digits in groups": ("name: 1_000", 7, "Put 1_000 in quotes if it is a text"),
    "not a number": ("name: .nan", 7, "Put .nan in quotes if it is a text"),
    "infinity": ("name: -.inf", 7, "Put -.inf in quotes if it is a text"),
    "a number beyond floats": ("name: 1e999", 7, "Write a number from -9007199254740992 to"),
    "an integer that floats skip": ("name: 9007199254740993000", 7, "Write a number from"),
    "many digits": (f"name: {'9' * 20_000}", 7, "Write a number from"),
    "an anchor": ("name: &x small", 7, "Anchors are not taken: take &x out."),
    "an alias": ("name: *x", 7, "Aliases are not taken: write out what *x stands for."),
    "a tag": ("name: !!str small", 7, "Tags are not taken: take tag:yaml.org,2002:str out."),
    "a tag that makes objects": (
        "name: !!python/object/apply:os.system [echo]",
        7,
        "Tags are not taken: take tag:yaml.org,2002:python/object/apply:os.system out.",
    ),
    "a merge key": ("<<: {name: small}", 1, "Merge keys (<<) are not taken: write it all out."),
    "a key that is a number": ("1: small", 1, "Put the key 1 in quotes."),
    "a key that is a list": ("? [a]\n: small", 3, "A key is a word: write this one out as text."),
    "a control character": ("name: sm\x07all", 9, "Take the control character U+0007 out."),
    "text that turns round": ("name: sm\u202eall", 9, "Take the control character U+202E out."),
    "an escaped control character": (
        'name: "\\u0007"',
        7,
        "Take the control characters out of this text.",
    ),
    "a character that is none": ("name: sm\ufffeall", 9, "Take the character U+FFFE out."),
    "half a character": ("name: sm\ud800all", 9, "Take the control character U+D800 out."),
    "a tab for indentation": ("name:\n\tsmall", 1, "This is not YAML: while scanning for the next"),
}


@pytest.mark.parametrize(("text", "column", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_json_cannot_say_is_refused_where_it_stands(text: str, column: int, says: str) -> None:
    errors = errors_of(edited("name: small", text))
    found = [(line, at) for line, at, message in errors if message.startswith(says)]
    assert found == [(2 + text[: -len("\tsmall") + 1].count("\n") if "\t" in text else 2, column)]


def test_a_key_that_is_set_twice_is_told_with_the_line_of_the_first() -> None:
    errors = errors_of(edited("name: small", "name: small\nname: large"))
    assert errors == [(3, 1, "name is set twice, first on line 2: keep one of them.")]


def test_a_billion_laughs_are_refused_and_never_told() -> None:
    """Each alias is one error: nothing is put in its place."""
    errors = errors_of(TEXT + LAUGHS)
    assert any(message == "Anchors are not taken: take &a out." for _, _, message in errors)
    aliases = [message for _, _, message in errors if message.startswith("Aliases are not taken")]
    assert len(aliases) == 9 * 8


def test_more_bytes_than_the_limit_are_refused_before_they_are_read() -> None:
    assert errors_of("#" * (MAX_BYTES + 1)) == [
        (1, 1, f"The document has {MAX_BYTES + 1} bytes; make it smaller than {MAX_BYTES}.")
    ]


def test_more_values_than_the_limit_are_refused() -> None:
    errors = errors_of("a:\n" + "- x\n" * MAX_VALUES)
    assert errors[0][2] == f"Say it in fewer than {MAX_VALUES} keys and values."


def test_deep_nesting_is_refused_where_it_becomes_too_deep() -> None:
    assert errors_of("[" * 5_000) == [
        (1, MAX_DEPTH + 1, f"This is more than {MAX_DEPTH} levels deep.")
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "{}", "null", "---\n"])
def test_an_empty_document_says_how_to_begin(text: str) -> None:
    assert errors_of(text) == [
        (1, 1, EMPTY),
    ]


@pytest.mark.parametrize("text", ["[]", "just text", "3", "- version: 1"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    assert errors_of(text) == [(1, 1, "The document must be a mapping of names to values.")]


def test_a_second_document_is_refused() -> None:
    errors = errors_of(f"{TEXT}---\n{TEXT}")
    assert errors == [
        (TEXT.count("\n") + 1, 1, "Keep one document: take the second --- out."),
    ]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    plain = read(TEXT, "yaml")
    assert read("\ufeff" + TEXT.replace("\n", "\r\n"), "yaml") == plain


def test_scalars_are_those_of_json() -> None:
    tree = read_tree("a: [1, -2.50, 1.0, 10e9, true, null, x, '1', \"no\", 1.2.3]")
    values = tree.value["a"]
    assert values == [1, -2.5, 1, 10_000_000_000, True, None, "x", "1", "no", "1.2.3"]
    assert [type(value) for value in values[:4]] == [int, float, int, int]
    assert not tree.problems


def test_errors_do_not_repeat_a_whole_document() -> None:
    name = "x" * 100_000
    with pytest.raises(GuardrailsInvalid) as refused:
        read(edited("name: small", f"? {name}\n: !{name} small"), "yaml")
    assert len(refused.value.details["errors"]) == 2
    assert len(str(refused.value.details) + refused.value.message) < 3000
