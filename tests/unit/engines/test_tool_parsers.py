"""Every way in which a model may write calls is read into the same calls."""

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.generation import (
    CallArguments,
    CallBegun,
    Delta,
    Piece,
    Reasoning,
    ToolMode,
    ToolUse,
)
from app.engines.worker.calls import calls_in
from app.engines.worker.channels import Parts
from app.engines.worker.markers import Markers
from app.engines.worker.tool_parsers import FORMS, parser_of

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
USE = ToolUse((WEATHER, CLOCK), ToolMode.AUTO)

OSLO = ("get_weather", {"city": "Oslo", "days": 2})
ROME = ("get_weather", {"city": "Rome", "days": 1})

K2 = "<|tool_call_begin|>functions.get_weather:{}<|tool_call_argument_begin|>{}<|tool_call_end|>"
K3 = (
    '<|open|>call tool="get_weather" index="{}"<|sep|>'
    '<|open|>argument key="city" type="string"<|sep|>{}<|close|>argument<|sep|>'
    '<|open|>argument key="days" type="integer"<|sep|>{}<|close|>argument<|sep|>'
    "<|close|>call<|sep|>"
)
GLM = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>{}</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>{}</arg_value>\n</tool_call>"
)
JSON = (
    '<tool_call>\n{{"name": "get_weather", "arguments": {{"city": "{}", "days": {}}}}}\n'
    "</tool_call>"
)
MINIMAX = (
    '<invoke name="get_weather">\n<parameter name="city">{}</parameter>\n'
    '<parameter name="days">{}</parameter>\n</invoke>\n'
)
ATEM = (
    '<atem:invoke name="get_weather"><atem:parameter name="city">{}</atem:parameter>'
    '<atem:parameter name="days">{}</atem:parameter></atem:invoke>'
)
QWEN = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\n{}\n</parameter>\n"
    "<parameter=days>\n{}\n</parameter>\n</function>\n</tool_call>"
)
CPM = (
    '<function name="get_weather"><param name="city">{}</param><param name="days">{}</param>'
    "</function>"
)
GOOGLE = (
    "<start_function_call>call:get_weather{{city:<escape>{}<escape>,days:{}}}<end_function_call>"
)

ANSWERS = {
    "function_gemma": GOOGLE.format("Oslo", 2) + GOOGLE.format("Rome", 1),
    "gemma4": '<|tool_call>call:get_weather{city:<|"|>Oslo<|"|>,days:2}'
    'call:get_weather{city:<|"|>Rome<|"|>,days:1}<tool_call|>',
    "glm47": GLM.format("Oslo", 2) + "\n" + GLM.format("Rome", 1),
    "json_tools": JSON.format("Oslo", 2) + "\n" + JSON.format("Rome", 1),
    "kimi_k2": "<|tool_calls_section_begin|>"
    + K2.format(0, '{"city": "Oslo", "days": 2}')
    + K2.format(1, '{"city": "Rome", "days": 1}')
    + "<|tool_calls_section_end|>",
    "kimi_k3": "<|open|>tools<|sep|>"
    + K3.format(1, "Oslo", 2)
    + K3.format(2, "Rome", 1)
    + "<|close|>tools<|sep|>",
    "laguna": GLM.format("Oslo", 2) + GLM.format("Rome", 1),
    "longcat": (GLM.format("Oslo", 2) + "\n" + GLM.format("Rome", 1))
    .replace("tool_call>", "longcat_tool_call>")
    .replace("arg_", "longcat_arg_"),
    "minicpm5": CPM.format("Oslo", 2) + "\n" + CPM.format("<![CDATA[Rome]]>", 1),
    "minimax_m2": "<minimax:tool_call>\n"
    + MINIMAX.format("Oslo", 2)
    + MINIMAX.format("Rome", 1)
    + "</minimax:tool_call>",
    "mistral": '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo", "days": 2}'
    '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome", "days": 1}',
    "muse_spark": "<atem:function_calls>\n"
    + ATEM.format("Oslo", 2)
    + ATEM.format("Rome", 1)
    + "\n</atem:function_calls>",
    "pythonic": "<|tool_call_start|>[get_weather(city='Oslo', days=2), "
    'get_weather(city="Rome", days=1)]<|tool_call_end|>',
    "qwen3_coder": QWEN.format("Oslo", 2) + "\n" + QWEN.format("Rome", 1),
}
NAMES = sorted(FORMS)


def markers(parser: str) -> Markers:
    return Markers(
        think_start="<think>", think_end="</think>", form=FORMS[parser], renders_tools=True
    )


def said(parser: str, pieces: list[str], use: ToolUse = USE) -> list[Piece]:
    parts = Parts(markers(parser), use=use)
    told = [piece for text in pieces for piece in parts.feed(text, 1)]
    return told + parts.flush()


def joined(pieces: list[Piece]) -> tuple[str, str, list[tuple[str, Any]]]:
    """Content, thinking and calls: what a client makes of the pieces."""
    names: dict[int, str] = {}
    texts: dict[int, str] = {}
    for piece in pieces:
        match piece:
            case CallBegun(index, _, name):
                assert index == len(names)
                names[index], texts[index] = name, ""
            case CallArguments(index, text, _):
                texts[index] += text
    return (
        "".join(piece.text for piece in pieces if isinstance(piece, Delta)),
        "".join(piece.text for piece in pieces if isinstance(piece, Reasoning)),
        [(names[index], json.loads(texts[index])) for index in names],
    )


def test_all_of_mlx_lms_parsers_are_known() -> None:
    found = find_spec("mlx_lm")
    assert found is not None
    assert found.origin is not None
    files = (Path(found.origin).parent / "tool_parsers").glob("*.py")
    assert {file.stem for file in files} - {"__init__"} == set(FORMS)
    assert set(ANSWERS) == set(FORMS)


@pytest.mark.parametrize("name", NAMES)
def test_the_markers_are_those_of_mlx_lm(name: str) -> None:
    module = sys.modules[parser_of(name).__module__]
    form = FORMS[name]
    assert (form.start, form.end) == (module.tool_call_start, module.tool_call_end)


def test_no_mlx_is_imported_for_a_parser() -> None:
    program = (
        "import sys; from app.engines.worker.tool_parsers import FORMS, parser_of;"
        "[parser_of(name) for name in FORMS];"
        "print([name for name in sys.modules if name.split('.')[0] in ('mlx', 'mlx_lm')])"
    )
    made = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3] / "services" / "api",
    )
    assert made.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_calls_are_read_from_what_the_model_writes(name: str) -> None:
    content, thinking, calls = joined(said(name, [ANSWERS[name]]))
    assert (content, thinking) == ("", "")
    assert calls == [OSLO, ROME]


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_before_calls_is_content_and_the_layout_between_is_not(name: str) -> None:
    text = f"<think>\nhm\n</think>\n\nI look.\n\n{ANSWERS[name]}\n"
    assert joined(said(name, [text])) == ("I look.", "hm", [OSLO, ROME])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20)
@given(data=st.data())
def test_where_an_answer_is_cut_changes_nothing(name: str, data: st.DataObject) -> None:
    text = f"<think>a < b</think> I <look>.\n{ANSWERS[name]}\n"
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=40))
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    assert joined(said(name, pieces)) == ("I <look>.", "a < b", [OSLO, ROME])
    assert joined(said(name, list(text))) == ("I <look>.", "a < b", [OSLO, ROME])


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_cut_anywhere_loses_no_text_and_makes_no_half_call(name: str) -> None:
    text = ANSWERS[name]
    for length in range(1, len(text), 3):
        content, _, calls = joined(said(name, list(text[:length])))
        assert calls in ([], [OSLO], [OSLO, ROME])
        if not calls:
            assert content == text[:length]


@pytest.mark.parametrize("name", NAMES)
def test_a_call_of_a_tool_that_was_not_offered_is_content(name: str) -> None:
    use = ToolUse((CLOCK,), ToolMode.AUTO)
    content, _, calls = joined(said(name, list(ANSWERS[name]), use))
    assert calls == []
    assert content == ANSWERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_without_parallel_calls_only_the_first_is_told(name: str) -> None:
    use = ToolUse((WEATHER, CLOCK), ToolMode.AUTO, parallel=False)
    assert joined(said(name, list(ANSWERS[name] + "\nand"), use)) == ("", "", [OSLO])


@pytest.mark.parametrize("name", NAMES)
def test_where_no_tools_are_offered_a_call_is_text(name: str) -> None:
    for use in (ToolUse(), ToolUse((WEATHER,), ToolMode.NONE)):
        assert joined(said(name, list(ANSWERS[name]), use)) == (ANSWERS[name], "", [])


@given(st.text(alphabet='<>[]{}|/"=:, \n\\abctoolARGS_', max_size=60), st.sampled_from(NAMES))
def test_a_block_of_anything_is_a_call_or_content_and_never_an_error(text: str, name: str) -> None:
    form = FORMS[name]
    answer = f"x{form.start}{text}{form.end}y"
    content, _, calls = joined(said(name, list(answer)))
    if not calls:
        assert content == answer


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("gemma4", "call:a{"),
        ("gemma4", 'call:a{x:<|"|>'),
        ("kimi_k3", "<|open|>call"),
        ("function_gemma", "call:a{"),
        ("glm47", "a<arg_key>b</arg_key>"),
        ("pythonic", "[a("),
        ("minimax_m2", "<invoke name="),
        ("muse_spark", '<atem:invoke name="a"><atem:parameter'),
        ("json_tools", "["),
    ],
)
def test_a_model_that_repeats_itself_does_not_hold_up_the_others(name: str, text: str) -> None:
    begun = time.process_time()
    assert calls_in(text * 4_000, FORMS[name], USE.tools) == []
    assert time.process_time() - begun < 5
