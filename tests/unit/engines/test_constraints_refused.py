"""What cannot be enforced exactly is refused at once, and nothing takes long to find out."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.generation import ChatPrompt, Form, Sampling, ToolMode, ToolUse
from app.domain.refusals import ConstraintRejected
from app.engines.protocol import Generate
from app.engines.worker.constraints import Constraints, Enforcing
from tests.unit.engines.test_constraints import Bytes, asked

TEXT = {"type": "string"}
MOST_S = 8.0
"""Of the processor; under a second on a machine with nothing else to do."""


def compiled(form: Form, body: Any) -> Enforcing:
    made = Constraints(Bytes(), vocab_size=257, ends=[256]).compile(asked(form, body), "")
    assert made is not None
    return made


def is_obeyed(schema: Any, text: str) -> bool:
    """Whether the schema's constraint lets a model answer with `text` and end there."""
    made = compiled(Form.SCHEMA, schema)
    for byte in text.encode():
        if not made.allowed[byte]:
            return False
        made.draw(byte)
    return bool(made.allowed[256])


@pytest.mark.parametrize(
    "schema",
    [
        {"not": TEXT},
        {"if": TEXT, "then": {"minLength": 2}},
        {"type": "array", "uniqueItems": True},
        {"type": "array", "contains": TEXT},
        {"type": "object", "propertyNames": TEXT},
        {"dependentRequired": {"a": ["b"]}},
        {"unevaluatedProperties": False},
        {"$dynamicRef": "#a"},
        {"type": "string", "nullable": True},
        {"type": "string", "minLenght": 3},
        {"x-guidance": {"lenient": True}, "type": "string"},
        {"oneOf": [{"type": "number"}, {"type": "integer"}]},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/$defs/none"},
        {"$ref": "#/default", "default": {"not": {}}},
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"anyOf": [{"$ref": "#"}]},
        {"$schema": "https://example.com/mine", "type": "string"},
        {"properties": {"a": {"$id": "https://example.com/", "type": "string"}}},
        {"type": "text"},
        {"type": []},
        {"type": 3},
        {"enum": []},
        {"enum": "a"},
        {"const": "bell\x07"},
        {"enum": [{"a": "\x7f"}]},
        {"const": "half \ud800"},
        {"properties": {"\ud800": {}}},
        {"type": "string", "pattern": "\ud800"},
        {"const": 10**30},
        {"const": 1e-9},
        {"required": "a"},
        {"properties": []},
        {"properties": {"a": 3}},
        {"anyOf": []},
        {"items": 3},
        {"additionalItems": False, "type": "array"},
        {"minimum": True},
        {"minimum": "3"},
        {"minimum": 3, "exclusiveMinimum": True, "type": "number"},
        {"type": "integer", "minimum": 1e30},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"type": "integer", "multipleOf": 0},
        {"type": "integer", "multipleOf": -2},
        {"type": "string", "minLength": -1},
        {"type": "string", "minLength": 1.5},
        {"type": "string", "minLength": 5, "maxLength": 3},
        {"type": "object", "minProperties": 2},
        {"type": "object", "properties": {"a": TEXT}, "minProperties": 1, "required": "a"},
        {"allOf": [TEXT, {"type": "integer"}]},
        {"type": "string", "format": "regex"},
        {"type": "integer", "format": "int32"},
        {"type": "string", "pattern": 3},
        {"type": "string", "pattern": "("},
        {"type": "string", "pattern": "[a"},
        {"type": "string", "pattern": "a\\"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "string", "pattern": "(?<!a)b"},
        {"type": "string", "pattern": "(?i)a"},
        {"type": "string", "pattern": "\\bword"},
        {"type": "string", "pattern": "a$b"},
        {"type": "string", "pattern": "(a)\\1"},
        {"type": "string", "pattern": "[a&&b]"},
        {"type": "string", "pattern": "[[a]]"},
        {"type": "string", "pattern": "\\x00"},
        {"type": "string", "pattern": "a\x7f"},
        {"type": "string", "pattern": "\\A"},
        {"patternProperties": {"^a": TEXT, "^ab": {"type": "null"}}},
        [],
        3,
        "x",
        None,
        False,
    ],
    ids=ascii,
)
def test_a_schema_that_cannot_be_enforced_exactly_is_refused(schema: Any) -> None:
    with pytest.raises(ConstraintRejected) as refused:
        compiled(Form.SCHEMA, schema)
    assert refused.value.param == "response_format"
    assert "example.com/schema" not in refused.value.message


@pytest.mark.parametrize(
    ("schema", "allowed", "forbidden"),
    [
        (True, "[1]", "[1"),
        ({"title": "T", "x-order": 1, "default": 3, "type": "null"}, "null", "3"),
        ({"type": "array", "uniqueItems": False, "maxItems": 1}, "[1]", "[1,1]"),
        ({"properties": {"a": {"type": "integer"}}}, '{"a":1}', '{"a":"x"}'),
        ({"properties": {"a": {"type": "integer"}}, "type": "object"}, "{}", '{"\\u0061":"x"}'),
        ({"patternProperties": {"^a": {"type": "null"}}}, '{"ab":null}', '{"\\u0061b":1}'),
        ({"type": "string", "pattern": "^.$"}, '"a"', '"\\r"'),
        ({"type": "string", "pattern": "^\\d$"}, '"1"', '"\u0663"'),
        ({"type": "string", "pattern": "b"}, '"abc"', '"ac"'),
        ({"type": "string", "minLength": 2, "maxLength": 2}, '"☺é"', '"☺"'),
        ({"items": [TEXT], "additionalItems": False, "type": "array"}, '["a"]', '["a",1]'),
        ({"type": "number", "exclusiveMinimum": 0.1}, "0.11", "0.1"),
        ({"type": "integer", "multipleOf": 7}, "14", "15"),
        ({"const": {"b": [1.5], "a": None}}, '{"b":[1.5],"a":null}', '{"b":[1.5]}'),
        ({"type": "object"}, '{\n  "a": [\n    1, 2\n  ]\n}', '{\n\n"a":1}'),
        ({"type": "object", "required": ["a"], "minProperties": 2}, '{"a":1,"b":2}', '{"a":1}'),
        ({"$defs": {"a/b": TEXT}, "$ref": "#/$defs/a~1b"}, '"x"', "3"),
    ],
    ids=str,
)
def test_a_schema_means_what_json_schema_says(schema: Any, allowed: str, forbidden: str) -> None:
    assert is_obeyed(schema, allowed)
    assert not is_obeyed(schema, forbidden)


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (Form.REGEX, "("),
        (Form.REGEX, "(?=a)"),
        (Form.REGEX, ""),
        (Form.REGEX, 3),
        (Form.REGEX, "(?-u:\\xff)"),
        (Form.REGEX, "[^\\s\\S]"),
        (Form.REGEX, "a\\bb"),
        (Form.CHOICE, []),
        (Form.CHOICE, [""]),
        (Form.CHOICE, ["a", 3]),
        (Form.CHOICE, ["\ud800"]),
        (Form.CHOICE, "a"),
        (Form.REGEX, "\ud800"),
        (Form.GRAMMAR, 'start: "\ud800"'),
        (Form.GRAMMAR, "start: nothing"),
        (Form.GRAMMAR, "no grammar at all"),
        (Form.GRAMMAR, 'start: %json {"not": {}}'),
        (Form.GRAMMAR, '%llguidance {"no_forcing": false}\nstart: "a"'),
        (Form.GRAMMAR, "start: <|im_end|>"),
        (Form.GRAMMAR, "start: <[0-5]>"),
        (Form.GRAMMAR, "start: @other"),
        (Form.GRAMMAR, 'start: A\nA: /.*/ & ~"a"'),
        (Form.GRAMMAR, 'start[temperature=0.5]: "a"'),
        (Form.GRAMMAR, '!?start[temperature=0.5]: "a"'),
        (Form.GRAMMAR, "start: /a\nb/ <[0-5]> /c/"),
        (Form.GRAMMAR, 'start: start "a"'),
        (Form.GRAMMAR, ""),
    ],
    ids=ascii,
)
def test_another_form_that_cannot_be_enforced_is_refused(form: Form, body: Any) -> None:
    with pytest.raises(ConstraintRejected):
        compiled(form, body)


@pytest.mark.parametrize(
    "parameters", [{"type": "string"}, {"not": {}}, [], {"$ref": "https://example.com"}], ids=str
)
def test_a_forced_call_of_a_tool_that_cannot_be_enforced_is_refused(parameters: Any) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    prompt = ChatPrompt((), ToolUse((tool,), ToolMode.REQUIRED))
    with pytest.raises(ConstraintRejected) as refused:
        Constraints(Bytes(), vocab_size=257, ends=[256]).compile(
            Generate(1, prompt, Sampling()), ""
        )
    assert refused.value.param == "tools"


def deep(levels: int, wrap: Callable[[Any], Any]) -> Any:
    schema: Any = {"type": "integer"}
    for _ in range(levels):
        schema = wrap(schema)
    return schema


def chain(count: int, link: Callable[[str], Any]) -> Any:
    links = {f"d{at}": link(f"#/$defs/d{at + 1}") for at in range(count)}
    return {"$defs": {**links, f"d{count}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def options(count: int) -> Any:
    return {
        "allOf": [
            {"anyOf": [{"properties": {f"k{a}{b}": TEXT}, "type": "object"} for b in range(3)]}
            for a in range(count)
        ]
    }


BOMBS: dict[str, tuple[Form, Any]] = {
    "deep": (Form.SCHEMA, deep(5000, lambda inner: {"items": inner})),
    "deep_objects": (Form.SCHEMA, deep(40, lambda inner: {"properties": {"a": inner}})),
    "doubled": (Form.SCHEMA, deep(11, lambda inner: {"anyOf": [inner, inner]})),
    "doubled_more": (Form.SCHEMA, deep(40, lambda inner: {"anyOf": [inner, inner]})),
    "deep_value": (Form.SCHEMA, {"const": deep(5000, lambda inner: [inner])}),
    "enum": (Form.SCHEMA, {"enum": [f"value {n} of many" for n in range(9_000)]}),
    "huge_enum": (Form.SCHEMA, {"enum": list(range(200_000))}),
    "wide": (Form.SCHEMA, {"properties": {f"p{n}": TEXT for n in range(500)}}),
    "too_wide": (Form.SCHEMA, {"properties": {f"p{n}": TEXT for n in range(2_000)}}),
    "options_5": (Form.SCHEMA, options(5)),
    "options_6": (Form.SCHEMA, options(6)),
    "options_12": (Form.SCHEMA, options(12)),
    "chain_290": (Form.SCHEMA, chain(290, lambda to: {"properties": {"a": {"$ref": to}}})),
    "chain_3000": (Form.SCHEMA, chain(3000, lambda to: {"properties": {"a": {"$ref": to}}})),
    "chain_joined": (Form.SCHEMA, chain(500, lambda to: {"allOf": [{"$ref": to}, {"$ref": to}]})),
    "forced": (
        Form.SCHEMA,
        chain(30, lambda to: {"prefixItems": [{"$ref": to}] * 2, "minItems": 2, "type": "array"}),
    ),
    "steps": (Form.SCHEMA, {"type": "integer", "multipleOf": 1_000_003}),
    "fine_steps": (Form.SCHEMA, {"type": "number", "multipleOf": 0.000001}),
    "most_steps": (Form.SCHEMA, {"type": "integer", "multipleOf": 9973}),
    "joined_steps": (Form.SCHEMA, {"allOf": [{"multipleOf": 9973}, {"multipleOf": 9967}]}),
    "texts": (Form.SCHEMA, {"type": "string", "minLength": 1_000_000}),
    "items": (Form.SCHEMA, {"type": "array", "minItems": 1_000_000}),
    "countless": (Form.SCHEMA, {"type": "array", "minItems": 10**18}),
    "bounds": (
        Form.SCHEMA,
        {"prefixItems": [{"minimum": -n - 0.1234567, "maximum": n * 987.654} for n in range(250)]},
    ),
    "joined_patterns": (
        Form.SCHEMA,
        {"allOf": [{"type": "string", "pattern": f"a.*{n}"} for n in range(12)]},
    ),
    "many_joined_patterns": (
        Form.SCHEMA,
        {"allOf": [{"type": "string", "pattern": f"a.*{n}"} for n in range(200)]},
    ),
    "patterns": (
        Form.SCHEMA,
        {"anyOf": [{"type": "string", "pattern": f"a.*{n}"} for n in range(250)]},
    ),
    "names": (Form.SCHEMA, {"patternProperties": {f"^a{n}x": TEXT for n in range(32)}}),
    "many_names": (Form.SCHEMA, {"patternProperties": {f"^a{n}x": TEXT for n in range(200)}}),
    "catastrophe": (Form.SCHEMA, {"type": "string", "pattern": "^(a+)+(a|aa)+$"}),
    "counted": (Form.REGEX, "(x{1000}){1000}"),
    "counted_more": (Form.REGEX, "((((a?){99}b?){99}c?){99}d?){99}"),
    "maybe": (Form.REGEX, "a?" * 4000),
    "exponential": (Form.REGEX, "(?s:.*)a(?s:.{30})b(?s:.*)a(?s:.{30})"),
    "classes": (Form.REGEX, "[a-z]" * 1600),
    "groups": (Form.REGEX, "(" * 4000 + ")" * 4000),
    "names_of_letters": (Form.REGEX, "\\p{L}{1,500}\\w{500}" * 10),
    "choices": (Form.CHOICE, [f"choice {n}" for n in range(1_500)]),
    "doubling": (
        Form.GRAMMAR,
        "\n".join(["start: A0", *(f"A{n}: A{n + 1} A{n + 1}" for n in range(40)), 'A40: "x"']),
    ),
    "doubling_rules": (
        Form.GRAMMAR,
        "\n".join(["start: a0", *(f"a{n}: a{n + 1} a{n + 1}" for n in range(40)), 'a40: "x"']),
    ),
    "chained_rules": (
        Form.GRAMMAR,
        "\n".join(["start: a0", *(f"a{n}: a{n + 1}" for n in range(900)), 'a900: "x"']),
    ),
    "too_many_rules": (
        Form.GRAMMAR,
        "\n".join(["start: a0", *(f"a{n}: a{n + 1}" for n in range(3000)), 'a3000: "x"']),
    ),
    "ambiguous": (Form.GRAMMAR, 'start: e\ne: e e | e e e | "a" | /a+/ |'),
    "brackets": (Form.GRAMMAR, "start: " + "(" * 900 + '"a"' + ")" * 900),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_less_than_a_moment(name: str) -> None:
    """Refused, or compiled and answered by any tokens; never long, and never with the process."""
    form, body = BOMBS[name]
    started = time.process_time()
    try:
        made = compiled(form, body)
    except ConstraintRejected:
        assert time.process_time() - started < MOST_S
        return
    assert time.process_time() - started < MOST_S
    for _ in range(50):
        began = time.process_time()
        allowed = made.allowed.nonzero()[0]
        assert time.process_time() - began < MOST_S / 8
        if made.error is not None or allowed[-1] == 256:
            break
        made.draw(int(allowed[len(allowed) // 2]))
