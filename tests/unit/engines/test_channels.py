"""Thinking, content and calls of an answer, told apart while it is written."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
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
from app.engines.worker.channels import Parts
from app.engines.worker.forced import AnswerOrCalls, ForcedCalls
from app.engines.worker.markers import Markers
from app.engines.worker.tool_parsers import FORMS
from app.engines.worker.voice import Channels, PlainText

TOOL = {"type": "function", "function": {"name": "look"}}
USE = ToolUse((TOOL,), ToolMode.AUTO)
CALL = '<tool_call>{"name": "look", "arguments": {"at": "it"}}</tool_call>'
MARKERS = Markers(think_start="<think>", think_end="</think>", renders_tools=True)
XTML = Markers(
    think_start="<|open|>think<|sep|>",
    think_end="<|close|>think<|sep|>",
    form=FORMS["kimi_k3"],
    renders_tools=True,
    dropped=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
)


def told(channels: Channels, pieces: Sequence[str]) -> tuple[str, str, list[tuple[str, str]]]:
    """Content, thinking, and calls with their arguments."""
    said: list[Piece] = [piece for text in pieces for piece in channels.feed(text, 1)]
    said += channels.flush()
    calls: dict[int, tuple[str, str]] = {}
    for piece in said:
        match piece:
            case CallBegun(index, _, name):
                calls[index] = (name, "")
            case CallArguments(index, text, _):
                calls[index] = (calls[index][0], calls[index][1] + text)
    content = "".join(piece.text for piece in said if isinstance(piece, Delta))
    thinking = "".join(piece.text for piece in said if isinstance(piece, Reasoning))
    return content, thinking, list(calls.values())


LOOK = ("look", '{"at": "it"}')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ("plain", "", [])),
        (" \n plain \n", (" \n plain \n", "", [])),
        ("", ("", "", [])),
        ("<think>\nhm\n</think>\n\nSo.", ("So.", "hm", [])),
        ("\n<think>hm</think>So.\n", ("So.\n", "hm", [])),
        ("<think></think>So.", ("So.", "", [])),
        ("<think>it never ends ", ("", "it never ends", [])),
        ("<think>a < b </thin", ("", "a < b </thin", [])),
        ("Say <think> and </think>.", ("Say <think> and </think>.", "", [])),
        ("stray </think> end", ("stray </think> end", "", [])),
        (f"<think>hm</think>\n{CALL}\n", ("", "hm", [LOOK])),
        (f"{CALL}<think>more</think>{CALL}", ("", "more", [LOOK, LOOK])),
        (f"One. {CALL} Two. {CALL}", ("One. Two.", "", [LOOK, LOOK])),
        (f"{CALL}\n\nDone.\n", ("Done.\n", "", [LOOK])),
        (f"<think>{CALL}</think>no", ("no", CALL, [])),
        ("<tool_call>nonsense</tool_call>", ("<tool_call>nonsense</tool_call>", "", [])),
        (f"<tool_call>no</tool_call>\n{CALL}", ("<tool_call>no</tool_call>", "", [LOOK])),
        ("a\n\n<tool_call>no</tool_call>\n", ("a\n\n<tool_call>no</tool_call>\n", "", [])),
        (CALL.removesuffix("</tool_call>"), ("", "", [LOOK])),
        (CALL[:-20], (CALL[:-20], "", [])),
        (
            CALL.replace("it", "</tool_call> and <tool_call>"),
            ("", "", [("look", '{"at": "</tool_call> and <tool_call>"}')]),
        ),
        (f'<tool_call>"</tool_call>{CALL}', ('<tool_call>"</tool_call>', "", [LOOK])),
        (CALL.replace('{"at": "it"}', '{"n": NaN}'), None),
        (CALL.replace('{"at": "it"}', "[1]"), None),
        (CALL.replace('"look"', '"other"'), None),
        (CALL.replace('{"at": "it"}', '"{}"'), ("", "", [("look", "{}")])),
        (CALL.replace("arguments", "parameters"), ("", "", [LOOK])),
    ],
)
def test_parts_are_told_apart(
    text: str, expected: tuple[str, str, list[tuple[str, str]]] | None
) -> None:
    expected = expected or (text, "", [])
    assert told(Parts(MARKERS, use=USE), [text]) == expected
    assert told(Parts(MARKERS, use=USE), list(text)) == expected


def test_a_template_that_opens_the_thinking_is_believed() -> None:
    for text in ("\nhm\n</think>\n\nSo.", "<think>\nhm</think>So."):
        for pieces in ([text], list(text)):
            assert told(Parts(MARKERS, thinking=True), pieces) == ("So.", "hm", [])


def test_structure_around_the_response_is_no_content() -> None:
    text = (
        "<|open|>think<|sep|>hm<|close|>think<|sep|>"
        "<|open|>response<|sep|>So.<|close|>response<|sep|>"
    )
    for pieces in ([text], list(text)):
        assert told(Parts(XTML, use=USE), pieces) == ("So.", "hm", [])


def test_only_what_may_begin_a_marker_is_held_back() -> None:
    parts = Parts(MARKERS, use=USE)
    assert parts.feed("a <b", 1) == [Delta("a <b", 1)]
    assert parts.feed(" c <to", 1) == [Delta(" c", 1)]
    assert parts.feed("p>", 1) == [Delta(" <top>", 1)]
    assert parts.feed(" ", 1) == []
    assert parts.feed("d", 1) == [Delta(" d", 2)]


def test_tokens_of_the_thinking_are_counted() -> None:
    parts = Parts(MARKERS)
    for text in ("<think>", "one", " two", "</think>", "\n\n", "three"):
        parts.feed(text, 1)
    assert parts.reasoning_tokens == 4


def test_calls_have_ids_of_their_own() -> None:
    said = Parts(MARKERS, use=USE).feed(CALL + CALL, 9)
    begun = [piece for piece in said if isinstance(piece, CallBegun)]
    assert [call.index for call in begun] == [0, 1]
    assert len({call.id for call in begun}) == 2
    assert all(call.id.startswith("call_") and len(call.id) == 29 for call in begun)


@given(
    parts=st.lists(
        st.sampled_from(
            [CALL, "<think>", "</think>", "<tool_call>", "</tool_call>", " ", "\n", "a"]
        )
        | st.text(alphabet='<>/think_cal"\\{} \n', max_size=8),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 300), max_size=30),
    thinking=st.booleans(),
    parallel=st.booleans(),
)
def test_where_any_text_is_cut_changes_nothing(
    parts: list[str], cuts: list[int], thinking: bool, parallel: bool
) -> None:
    text = "".join(parts)
    edges = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    use = ToolUse((TOOL,), parallel=parallel)

    def once(pieces: Sequence[str]) -> tuple[str, str, list[tuple[str, str]]]:
        return told(Parts(MARKERS, use=use, thinking=thinking), pieces)

    assert once([text[a:b] for a, b in pairwise(edges)]) == once([text]) == once(list(text))


FORCED = '[{"name":"look","arguments":{"at":"a \\"}] {","n":[{}]}},{"name":"look","arguments":{}}]'

FORCED_CALLS = [("look", '{"at":"a \\"}] {","n":[{}]}'), ("look", "{}")]


def test_forced_calls_are_told_as_they_are_written() -> None:
    expected = ("", "", FORCED_CALLS)
    for pieces in ([FORCED], list(FORCED)):
        assert told(ForcedCalls(PlainText()), pieces) == expected


def test_forced_arguments_do_not_wait_for_their_end() -> None:
    forced = ForcedCalls(PlainText())
    assert forced.feed('[{"name":"lo', 3) == []
    begun, arguments = forced.feed('ok","arguments":{"a', 4)
    assert isinstance(begun, CallBegun)
    assert (begun.index, begun.name) == (0, "look")
    assert arguments == CallArguments(0, '{"a', 7)
    assert forced.feed('":1', 1) == [CallArguments(0, '":1', 1)]


def test_forced_calls_come_after_the_thinking() -> None:
    for pieces in (["hm\n</think>\n", FORCED], list(f"hm\n</think>\n{FORCED}")):
        content, thinking, calls = told(ForcedCalls(Parts(MARKERS, thinking=True)), pieces)
        assert (content, thinking, len(calls)) == ("", "hm", 2)


@pytest.mark.parametrize("length", range(1, len(FORCED)))
def test_a_forced_answer_that_is_cut_holds_calls_and_never_the_list_around_them(
    length: int,
) -> None:
    content, _, calls = told(ForcedCalls(PlainText()), list(FORCED[:length]))
    assert content == ""
    assert FORCED[:length].count('"arguments":{') == len(calls)
    assert all(name == "look" for name, _ in calls)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"<tool_call>{FORCED}", ("", "", FORCED_CALLS)),
        (f" <tool_call>{FORCED}", ("", "", FORCED_CALLS)),
        ('{"a": "<tool_call>"}', ('{"a": "<tool_call>"}', "", [])),
        ("<tool_", ("", "", [])),
        ("", ("", "", [])),
    ],
    ids=["calls", "after a space", "a marker inside JSON", "cut", "nothing"],
)
def test_where_the_model_may_choose_the_beginning_says_what_it_is(
    text: str, expected: tuple[str, str, list[tuple[str, str]]]
) -> None:
    content, _, calls = expected
    for thought in ("", "hm\n</think>\n"):
        for pieces in ([thought + text], [thought, text], list(thought + text)):
            before = Parts(MARKERS, thinking=True) if thought else PlainText()
            said = told(AnswerOrCalls(before, "<tool_call>"), pieces)
            assert said == (content, "hm" if thought else "", calls)
