"""Chats with tools, as chat templates get them, and what a tokenizer tells of its model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.generation import ChatPrompt, ToolMode, ToolUse
from app.domain.refusals import PromptRejected
from app.engines.worker.chats import Chats
from app.engines.worker.loading import load
from app.engines.worker.markers import Markers, control_tokens, markers_of
from app.engines.worker.text import TextStream
from app.engines.worker.tool_parsers import FORMS
from tests.models import tiny_model

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
QUESTION = {"role": "user", "content": "Where is it?"}
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {
            "id": "call_0123456789abcdef01234567",
            "type": "function",
            "function": {"name": "look", "arguments": {"at": "ö"}},
        }
    ],
}
FOUND = {"role": "tool", "tool_call_id": "call_0123456789abcdef01234567", "content": "here"}
WHOLE = (QUESTION, CALLED, FOUND, {**FOUND, "content": "there"})

MESSAGES = "{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}"
KNOWS = "<tool_call>{% for t in tools %}{{ t | tojson }}{% endfor %}" + MESSAGES


class Spoken:
    """A language that is nothing but its templates."""

    vocab_size = 1
    longest_token = 1
    template_constants: dict[str, str] = {}  # noqa: RUF012 - as the protocol has it
    control_tokens = ("<|end|>",)

    def __init__(self, *, renders_tools: bool, **templates: str) -> None:
        self.chat_templates = templates
        self.markers = Markers(renders_tools=renders_tools)

    def encode(self, text: str, *, special: bool) -> list[int]:
        raise AssertionError((text, special))

    def decode(self, tokens: Any) -> str:
        raise AssertionError(tokens)

    def bytes_of(self, token: int) -> bytes:
        raise AssertionError(token)

    def new_text_stream(self, shown: Any = ()) -> TextStream:
        raise AssertionError(shown)


class Rendering:
    def __init__(self) -> None:
        self._made: list[Chats] = []

    def __call__(self, prompt: ChatPrompt, *, knows: bool = True, **templates: str) -> str:
        chats = Chats(Spoken(renders_tools=knows, **templates), time_limit_s=20.0)
        self._made.append(chats)
        return "".join(chats.pieces(prompt))

    def close(self) -> None:
        for chats in self._made:
            chats.close()


@pytest.fixture
def rendered() -> Iterator[Rendering]:
    rendering = Rendering()
    yield rendering
    rendering.close()


def test_a_template_that_knows_tools_gets_them(rendered: Rendering) -> None:
    prompt = ChatPrompt((QUESTION,), ToolUse((LOOK,)))
    assert json.loads(rendered(prompt, default="{{ tools[0] | tojson }}")) == LOOK
    assert rendered(prompt, default=MESSAGES) == "[user|Where is it?]"


@pytest.mark.parametrize("use", [ToolUse(), ToolUse((LOOK,), ToolMode.NONE)])
def test_tools_that_must_not_be_called_are_not_rendered(rendered: Rendering, use: ToolUse) -> None:
    prompt = ChatPrompt((QUESTION,), use)
    assert rendered(prompt, default="{{ tools is none }}") == "True"
    assert rendered(prompt, knows=False, default=MESSAGES) == "[user|Where is it?]"


def test_a_template_for_tools_is_used_where_tools_are(rendered: Rendering) -> None:
    both = {"default": "plain", "tool_use": "tools"}
    assert rendered(ChatPrompt((QUESTION,), ToolUse((LOOK,))), **both) == "tools"
    assert rendered(ChatPrompt(WHOLE), **both) == "tools"
    assert rendered(ChatPrompt((QUESTION,)), **both) == "plain"


def test_options_reach_the_template_and_replace_nothing_of_the_chat(rendered: Rendering) -> None:
    source = (
        "{{ enable_thinking }} {{ reasoning_effort }} {{ messages | length }}"
        " {{ add_generation_prompt }}"
    )
    options = {"enable_thinking": False, "reasoning_effort": "low", "messages": [], "tools": 1}
    options["add_generation_prompt"] = False
    assert rendered(ChatPrompt((QUESTION,), options=options), default=source) == "False low 1 True"


def test_a_model_without_tools_is_told_of_them_in_words(rendered: Rendering) -> None:
    text = rendered(ChatPrompt((QUESTION,), ToolUse((LOOK,))), knows=False, default=MESSAGES)
    assert text.startswith("[system|")
    assert json.dumps(LOOK) in text
    assert "<tool_call>\n" in text
    assert text.endswith("[user|Where is it?]")


def test_what_the_system_was_told_stays_before_the_tools(rendered: Rendering) -> None:
    messages = ({"role": "system", "content": "Be brief."}, QUESTION)
    text = rendered(ChatPrompt(messages, ToolUse((LOOK,))), knows=False, default=MESSAGES)
    assert text.startswith("[system|Be brief.\n\n")
    assert text.count("[system|") == 1


def test_a_model_without_a_system_is_told_of_tools_by_the_user(rendered: Rendering) -> None:
    refuses = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    ) + MESSAGES
    text = rendered(ChatPrompt((QUESTION,), ToolUse((LOOK,))), knows=False, default=refuses)
    assert text.startswith("[user|You may call")
    assert text.endswith("\n\nWhere is it?]")


def test_a_model_without_tools_reads_earlier_calls_and_results_as_text(
    rendered: Rendering,
) -> None:
    assert rendered(ChatPrompt(WHOLE), knows=False, default=MESSAGES) == (
        "[user|Where is it?]"
        '[assistant|<tool_call>\n{"name": "look", "arguments": {"at": "ö"}}\n</tool_call>]'
        "[user|<tool_response>\nhere\n</tool_response>\n<tool_response>\nthere\n</tool_response>]"
    )


def test_arguments_are_objects_and_text_for_a_template_that_wants_text(
    rendered: Rendering,
) -> None:
    wants_object = "{{ messages[1].tool_calls[0].function.arguments.at }}"
    assert rendered(ChatPrompt(WHOLE), default=wants_object) == "ö"
    wants_text = "{{ 'x' + messages[1].tool_calls[0].function.arguments }}"
    assert rendered(ChatPrompt(WHOLE), default=wants_text) == 'x{"at": "ö"}'


def test_ids_are_short_for_a_template_that_wants_them_so(rendered: Rendering) -> None:
    source = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}"
        "{% if c.id | length != 9 %}{{ raise_exception('9 letters!') }}{% endif %}{{ c.id }} "
        "{% endfor %}{{ m.tool_call_id }}{% endfor %}"
    )
    first, second = rendered(ChatPrompt(WHOLE[:3]), default=source).split()
    assert first == second
    assert first.isalnum()


def test_content_is_null_only_for_a_template_that_looks_for_it(rendered: Rendering) -> None:
    joins = "{{ messages[1].content + 'x' }}"
    assert rendered(ChatPrompt(WHOLE), default=joins) == "x"
    looks = "{% if messages[1]['content'] is none %}null{% endif %}"
    assert rendered(ChatPrompt(WHOLE), default=looks) == "null"


def test_the_reason_is_the_templates_first(rendered: Rendering) -> None:
    with pytest.raises(PromptRejected, match="not me"):
        rendered(ChatPrompt(WHOLE), default="{{ raise_exception('not me') }}")


@pytest.mark.parametrize(
    ("source", "parser"),
    [
        ("{{ tools }}<minimax:tool_call>", "minimax_m2"),
        ("{{ tools }}<|tool_call><tool_call|>", "gemma4"),
        ("{{ tools }}<start_function_call>", "function_gemma"),
        ("{{ tools }}<longcat_tool_call><arg_key>", "longcat"),
        ("{{ tools }}<tool_call><arg_key>", "glm47"),
        ("{{ tools }}<|tool_list_start|>", "pythonic"),
        ("{{ tools }}<tool_call>\\n<function=", "qwen3_coder"),
        ("{{ tools }}<tool_call>\n<function=", "qwen3_coder"),
        ("{{ tools }}<|tool_calls_section_begin|>", "kimi_k2"),
        ('{{ tools }}<function name="<param name="', "minicpm5"),
        ("{{ tools }}[TOOL_CALLS]", "mistral"),
        ("{{ tools }}<atem:function_calls>", "muse_spark"),
        ("{{ tools }}<tool_call>{{ tool_call.name }}", "json_tools"),
    ],
)
def test_the_chat_template_gives_away_how_calls_are_written(source: str, parser: str) -> None:
    found = markers_of({"default": source}, (), (), lambda _: [])
    assert (found.form, found.renders_tools) == (FORMS[parser], True)


def test_the_vocabulary_gives_away_thinking() -> None:
    vocabulary = ["<think>", "</think>", "<|tool_call_start|>", "<|tool_call_end|>", "<|x|>"]
    special = vocabulary[1:]
    found = markers_of({"default": "{{ tools }}"}, vocabulary, special, lambda text: [len(text)])
    assert (found.think_start, found.think_end, found.think_end_tokens) == (
        "<think>",
        "</think>",
        (8,),
    )
    assert found.form is FORMS["pythonic"]
    assert set(found.shown) == {"</think>", "<|tool_call_start|>", "<|tool_call_end|>"}
    assert found.visible(calls=False) == ("</think>",)


def test_a_parser_that_the_model_names_is_used_and_an_unknown_one_is_not() -> None:
    templates = {"default": "{{ tools }}<tool_call>{{ tool_call.name }}"}
    named = markers_of(templates, (), (), lambda _: [], parser="laguna")
    assert named.form is FORMS["laguna"]
    unknown = markers_of(templates, (), (), lambda _: [], parser="os.system")
    assert unknown.form is FORMS["json_tools"]


def test_a_template_that_renders_no_tools_or_calls_nobody_can_read_is_told_in_words() -> None:
    for source in ("[TOOL_CALLS]", "{{ tools }}"):
        assert not markers_of({"default": source}, (), (), lambda _: []).renders_tools


def test_only_a_prompt_that_ends_with_the_marker_opens_the_thinking() -> None:
    markers = Markers(think_start="<think>", think_end="</think>")
    assert markers.opens_thinking("user: hi\nassistant: <think>\n")
    assert not markers.opens_thinking("user: what is <think>?\nassistant: ")
    assert not markers.opens_thinking("assistant: <think>\n\n</think>\n\n")
    assert not Markers().opens_thinking("")


def test_words_and_spaces_are_no_control_tokens() -> None:
    added = {"<|end|>": True, "<s>": True, "<tool>": False, "<table>": False, "\n\n": False}
    assert control_tokens(added | {"<|fim|>": False, "user": False}, {"default": "user<tool>"}) == (
        "<|end|>",
        "<s>",
        "<tool>",
        "<|fim|>",
    )


def test_a_loaded_model_knows_its_named_templates(tmp_path: Path) -> None:
    directory = tiny_model(tmp_path)
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    config["chat_template"] = [
        {"name": "default", "template": MESSAGES},
        {"name": "tool_use", "template": KNOWS},
    ]
    path.write_text(json.dumps(config), "utf-8")
    model = load(directory, memory_limit_bytes=2**30)
    assert model.chat_templates == {"default": MESSAGES, "tool_use": KNOWS}
