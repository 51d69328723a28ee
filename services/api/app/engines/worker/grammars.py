"""What a request wants of an answer, written as the grammar that llguidance enforces."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llguidance import regex_to_lark

from app.domain.generation import Constraint, Form, ToolMode, ToolUse
from app.engines.worker.patterns import MAX_CHARACTERS, NotExact, has_half
from app.engines.worker.schemas import exact

MAX_CHOICES = 10_000
MAX_TEXT = 256 * 1024
MAX_GRAMMAR_TEXT = 32_768
MAX_RULES = 1_000
MAX_TOOLS = 200

_HEAD = '%llguidance {"no_forcing": true}\n'
"""What can only go on in one way is still drawn: forced text may be gigabytes long."""

_SPACES = r" |\n {0,32}|\n\t{0,8}"
"""Where JSON allows space: as people indent it, and not without end."""

_ESCAPES = 'nrbtf\\"'
"""Without ``\\u``, which would let a name be written in a second way, past its own schema."""


def grammar_of(constraint: Constraint) -> str:
    """Raises `NotExact`."""
    return _FORMS[constraint.form](constraint.body)


def grammar_of_calls(use: ToolUse) -> str:
    """A list of calls without any space: ``[{"name":...,"arguments":{...}},...]``.

    Raises `NotExact`.
    """
    return f"{_HEAD}start: {_calls(use, _arguments)}"


def grammar_of_either(constraint: Constraint, use: ToolUse, marker: str, ids: Sequence[int]) -> str:
    """An answer of the constraint's form, or `marker` and a list of calls; the model chooses.

    `ids` are the marker's tokens. A tool with a schema that cannot be enforced is called with any
    object, as it would be without a form. Raises `NotExact`: also for a form that could begin as
    the marker does, which JSON cannot.
    """
    if not constraint.form.is_json:
        raise NotExact("a pattern, choices or a grammar cannot stand beside calls of tools")
    answer = grammar_of(constraint).removeprefix(f"{_HEAD}start: ")
    token = " ".join(f"<[{number}]>" for number in ids)
    return (
        f"{_HEAD}start: answer | marker calls\n"
        f"answer: {answer}\n"
        f"marker: {json.dumps(marker)} | {token}\n"
        f"calls: {_calls(use, _arguments_or_any)}\n"
    )


def _calls(use: ToolUse, arguments: Callable[[Mapping[str, Any], str], dict[str, Any]]) -> str:
    functions = [tool["function"] for tool in use.tools]
    if use.mode is ToolMode.NAMED:
        functions = [function for function in functions if function["name"] == use.name]
    if not 1 <= len(functions) <= MAX_TOOLS:
        raise NotExact(f"there must be 1 to {MAX_TOOLS} tools to call")
    one = use.mode is ToolMode.NAMED or not use.parallel
    schema = {
        "type": "array",
        "minItems": 1,
        **({"maxItems": 1} if one else {}),
        "items": {"anyOf": [_call(f["name"], f"t{at}") for at, f in enumerate(functions)]},
        "$defs": {f"t{at}": arguments(f, f"t{at}") for at, f in enumerate(functions)},
    }
    return _json(schema, {"whitespace_flexible": False})


def _call(name: str, definition: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": {"$ref": f"#/$defs/{definition}"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def _arguments(function: Mapping[str, Any], definition: str) -> dict[str, Any]:
    parameters = function.get("parameters")
    try:
        schema = exact({} if parameters is None else parameters, f"/$defs/{definition}")
    except NotExact as error:
        raise NotExact(f"{function['name']}: {error}") from error
    if schema.setdefault("type", "object") != "object":
        raise NotExact(f"{function['name']}: its parameters must be an object")
    return schema


def _arguments_or_any(function: Mapping[str, Any], definition: str) -> dict[str, Any]:
    try:
        return _arguments(function, definition)
    except NotExact:
        return {"type": "object"}


def _of_schema(body: Any) -> str:
    return f"{_HEAD}start: {_json(exact(body), {'whitespace_pattern': _SPACES})}"


def _of_json(_body: Any) -> str:
    return _of_schema({"type": "object"})


def _of_pattern(body: Any) -> str:
    """The whole answer matches. The notation is that of Rust's regex crate."""
    if not isinstance(body, str) or not 1 <= len(body) <= MAX_CHARACTERS:
        raise NotExact(f"a pattern has 1 to {MAX_CHARACTERS} characters")
    if has_half(body):
        raise NotExact("it holds half a character (a lone surrogate)")
    if _BYTES.search(body):
        raise NotExact("a pattern of bytes, '(?-u', may match what is no text")
    return f"{_HEAD}start: /{regex_to_lark(body, '')}/"


def _of_choice(body: Any) -> str:
    texts = body if isinstance(body, list | tuple) else ()
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise NotExact("choices are a list of texts that are not empty")
    if len(texts) > MAX_CHOICES or sum(map(len, texts)) > MAX_GRAMMAR_TEXT:
        raise NotExact("there are too many choices, or too long ones")
    return f"{_HEAD}start: /{'|'.join(map(_literal, texts))}/"


def _literal(text: str) -> str:
    return "".join(
        char if char.isascii() and char.isalnum() else f"\\x{{{ord(char):x}}}" for char in text
    )


_BYTES = re.compile(r"\(\?[A-Za-z]*-[A-Za-z]*u")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"i?|//[^\n]*|#[^\n]*|/(?:\\.|[^/\\])+/[a-z]*')
"""Texts, comments and patterns, as the compiler of grammars reads them: patterns go over lines.
What is not hidden from it must not be hidden here."""
_NOT_IN_GRAMMARS: Mapping[str, str] = {
    r"%(?!ignore\b|import\s+common\b)": "directives other than %ignore and %import common",
    r"[<@]": "special tokens and other grammars",
    r"~(?!\s*\d)": "negation, which matches what is no text",
    r"(?m)^\s*[?!]*[\w:-]+\s*\[": "options of a rule",
}


def _of_grammar(body: Any) -> str:
    """Lark's notation, without what reaches beyond the answer's text."""
    if not isinstance(body, str) or not 1 <= len(body) <= MAX_GRAMMAR_TEXT:
        raise NotExact(f"a grammar has 1 to {MAX_GRAMMAR_TEXT} characters")
    bare = _QUOTED.sub(" ", body)
    for found, what in _NOT_IN_GRAMMARS.items():
        if re.search(found, bare):
            raise NotExact(f"{what} are not supported in a grammar")
    if sum(bare.count(sign) for sign in ":([") > MAX_RULES:
        raise NotExact(f"a grammar has at most {MAX_RULES} rules and groups")
    if _BYTES.search(body):
        raise NotExact("a pattern of bytes, '(?-u', may match what is no text")
    return _HEAD + body


def _json(schema: Mapping[str, Any], spaces: Mapping[str, Any]) -> str:
    options = {"json_allowed_escapes": _ESCAPES, **spaces}
    whole = {**schema, "x-guidance": options}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    if len(text) > MAX_TEXT:
        raise NotExact(f"it is longer than {MAX_TEXT} characters")
    return f"%json {text}"


_FORMS: Mapping[Form, Callable[[Any], str]] = {
    Form.JSON: _of_json,
    Form.SCHEMA: _of_schema,
    Form.REGEX: _of_pattern,
    Form.CHOICE: _of_choice,
    Form.GRAMMAR: _of_grammar,
}
