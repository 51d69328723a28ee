"""Calls of tools under a grammar: forced ones, and those that the model may make beside a form."""

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from app.domain.generation import ChatPrompt, Constraint, Form, Sampling, ToolMode, ToolUse
from app.domain.refusals import ConstraintRejected
from app.engines.protocol import Generate
from app.engines.worker.loading import LoadedModel
from app.engines.worker.markers import Markers
from app.engines.worker.tool_parsers import FORMS
from tests.unit.engines.test_constraints import SCHEMAS, answers, check, constraints, model

__all__ = ["model"]  # the fixture


def tool(name: str, parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


PLACES = {
    "$defs": {"c": {"enum": ["P", "Q"]}},
    "properties": {"at": {"$ref": "#/$defs/c"}},
    "required": ["at"],
    "additionalProperties": False,
}
TOOLS = (
    tool("weather", PLACES),
    tool("now", {"type": "object", "properties": {}, "additionalProperties": False}),
)


def forced(handle: int, use: ToolUse, **more: Any) -> Generate:
    return Generate(handle, ChatPrompt((), use), Sampling(max_tokens=200, seed=handle, **more))


@pytest.mark.parametrize(
    "use",
    [
        ToolUse(TOOLS, ToolMode.REQUIRED),
        ToolUse(TOOLS, ToolMode.REQUIRED, parallel=False),
        ToolUse(TOOLS, ToolMode.NAMED, name="weather"),
    ],
    ids=["required", "one", "named"],
)
def test_forced_calls_are_a_compact_list_of_what_the_tools_take(
    model: LoadedModel, use: ToolUse
) -> None:
    found = answers(model, [forced(handle, use) for handle in range(1, 9)])
    stopped = [text for text in found.values() if text is not None]
    assert len(stopped) >= 4
    for text in stopped:
        calls = json.loads(text)
        assert text == json.dumps(calls, separators=(",", ":"), ensure_ascii=False)
        assert len(calls) >= 1
        if use.name is not None or not use.parallel:
            assert len(calls) == 1
        for call in calls:
            assert list(call) == ["name", "arguments"]
            assert call["name"] in ([use.name] if use.name else ["weather", "now"])
            wanted = next(t for t in TOOLS if t["function"]["name"] == call["name"])
            jsonschema.validate(call["arguments"], wanted["function"]["parameters"])


def test_forced_calls_and_a_constraint_are_refused_together(model: LoadedModel) -> None:
    both = forced(1, ToolUse(TOOLS, ToolMode.REQUIRED), constraint=Constraint(Form.JSON))
    with pytest.raises(ConstraintRejected):
        constraints(model).compile(both, "")


LOOSE = tool("loose", {"type": "object", "uniqueItems": True, "patternProperties": {"(?=a)": {}}})


def test_where_the_model_may_choose_it_answers_in_form_or_calls(model: LoadedModel) -> None:
    """The tool whose schema cannot be enforced takes any object, as it would without a form."""
    use = ToolUse((*TOOLS, LOOSE), parallel=False)
    constraint = Constraint(Form.SCHEMA, SCHEMAS["joined"])
    (mark,) = model.tokenizer.encode("<")  # which random weights would hardly choose
    wanted = [
        forced(n, use, constraint=constraint, logit_bias=((mark, 100.0 * (n % 2)),))
        for n in range(1, 17)
    ]
    stopped = [text for text in answers(model, wanted).values() if text is not None]
    said = [text for text in stopped if not text.startswith("<tool_call>")]
    assert said
    for text in said:
        check(text, SCHEMAS["joined"])
    called = [text.removeprefix("<tool_call>") for text in stopped if text not in said]
    assert called
    for call in (call for text in called for call in json.loads(text)):
        wanted = next(t for t in (*TOOLS, LOOSE) if t["function"]["name"] == call["name"])
        if wanted is not LOOSE:
            jsonschema.validate(call["arguments"], wanted["function"]["parameters"])


def test_the_models_own_token_opens_its_calls(model: LoadedModel) -> None:
    form = replace(FORMS["json_tools"], start="<|im_start|>")
    use = ToolUse(TOOLS, ToolMode.AUTO, parallel=False)
    asked = forced(1, use, constraint=Constraint(Form.JSON))
    made = constraints(model, Markers(form=form)).compile(asked, "")
    assert made is not None
    (token,) = model.tokenizer.encode("<|im_start|>")
    first = {model.tokenizer.decode([token]) for token in made.allowed.nonzero()[0]}
    assert first == {"{", "<", "<|im_start|>"}
    made.draw(token)
    assert {model.tokenizer.decode([token]) for token in made.allowed.nonzero()[0]} == {"["}


@pytest.mark.parametrize("form", [Form.REGEX, Form.CHOICE, Form.GRAMMAR])
def test_a_form_that_could_begin_like_a_call_is_refused_beside_calls(
    model: LoadedModel, form: Form
) -> None:
    bodies = {Form.REGEX: "<.*", Form.CHOICE: ["<tool_call>"], Form.GRAMMAR: 'start: "<"'}
    both = forced(1, ToolUse(TOOLS), constraint=Constraint(form, bodies[form]))
    with pytest.raises(ConstraintRejected, match="beside calls"):
        constraints(model).compile(both, "")


def test_nothing_is_compiled_where_nothing_is_asked(model: LoadedModel) -> None:
    free = Generate(1, ChatPrompt((), ToolUse(TOOLS, ToolMode.AUTO)), Sampling())
    assert constraints(model).compile(free, "") is None
