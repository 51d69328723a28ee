"""Which parts an answer has depends on what was asked, and on what the model can do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.domain.generation import (
    CallArguments,
    CallBegun,
    ChatPrompt,
    Delta,
    FinishReason,
    Piece,
    Prompt,
    Reasoning,
    Sampling,
    TextPrompt,
    ToolMode,
    ToolUse,
)
from app.engines.protocol import Generate
from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.logprobs import Telling
from app.engines.worker.prompts import Prompts
from app.engines.worker.speaking import new_voice
from tests.scripted import scripted_model

TOOL = {"type": "function", "function": {"name": "look"}}
SCRIPT = [
    "<think>", "hm", "</think>", "I look.", "<|other|>",
    "<|tool_call_start|>", "[look(at=", "'it')]", "<|tool_call_end|>",
]  # fmt: skip
TEMPLATE = (
    "{{ tools }}{% for m in messages %}{{ m.content }}{% endfor %}"
    "<|im_start|>{% if opened %}<think>\n{% endif %}"
)


class Speaker:
    def __init__(self, directory: Path) -> None:
        self.model: LoadedModel = load(directory, memory_limit_bytes=2**30)
        self.prompts = Prompts(self.model, context=4096, time_limit_s=20.0)

    def says(
        self, prompt: Prompt, pieces: list[str], reason: FinishReason = FinishReason.STOP
    ) -> tuple[str, str, list[tuple[str, str]], FinishReason]:
        voice = new_voice(self.model, self._prepared(prompt), _no_logprobs)
        said: list[Piece] = []
        for piece in pieces:
            for token in self.model.encode(piece, special=False):
                said += voice.hear(token, None)
        said += voice.end()
        begun = [piece for piece in said if isinstance(piece, CallBegun)]
        calls = [(call.name, arguments_of(call, said)) for call in begun]
        return (
            "".join(piece.text for piece in said if isinstance(piece, Delta)),
            "".join(piece.text for piece in said if isinstance(piece, Reasoning)),
            calls,
            voice.finished(1, reason, prompt_tokens=1).reason,
        )

    def _prepared(self, prompt: Prompt) -> Prepared:
        rendered = ""
        if isinstance(prompt, ChatPrompt):
            rendered = self.prompts.prepare(
                Generate(1, ChatPrompt(prompt.messages, options=prompt.options), Sampling())
            ).rendered
        return Prepared(1, [1], 100, Generate(1, prompt, Sampling()), rendered)


def arguments_of(call: CallBegun, said: list[Piece]) -> str:
    texts = [piece for piece in said if isinstance(piece, CallArguments)]
    return "".join(piece.text for piece in texts if piece.index == call.index)


def _no_logprobs(count: int) -> Telling:
    raise AssertionError(count)


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speaker]:
    directory = tmp_path_factory.mktemp("speaking")
    speaking = Speaker(scripted_model(directory, {"x": SCRIPT}, chat_template=TEMPLATE))
    yield speaking
    speaking.prompts.close()


@pytest.fixture
def chat() -> Callable[..., ChatPrompt]:
    def made(use: ToolUse | None = None, *, opened: bool = False) -> ChatPrompt:
        message = {"role": "user", "content": "Where?"}
        return ChatPrompt((message,), use or ToolUse(), {"opened": opened})

    return made


Chatting = Callable[..., ChatPrompt]
LOOK = [("look", '{"at": "it"}')]


def test_the_markers_are_found_in_the_tokenizer(speaker: Speaker) -> None:
    markers = speaker.model.markers
    assert (markers.think_start, markers.form.parser) == ("<think>", "pythonic")
    assert set(markers.shown) == {"<|tool_call_start|>", "<|tool_call_end|>"}


def test_special_tokens_that_are_markers_are_read_and_others_are_not(
    speaker: Speaker, chat: Chatting
) -> None:
    expected = ("I look.", "hm", LOOK, FinishReason.TOOL_CALLS)
    assert speaker.says(chat(ToolUse((TOOL,))), SCRIPT) == expected


def test_without_tools_the_markers_of_calls_stay_unseen(speaker: Speaker, chat: Chatting) -> None:
    expected = ("I look.[look(at='it')]", "hm", [], FinishReason.STOP)
    for use in (ToolUse(), ToolUse((TOOL,), ToolMode.NONE)):
        assert speaker.says(chat(use), SCRIPT) == expected


def test_a_template_may_open_the_thinking(speaker: Speaker, chat: Chatting) -> None:
    answer = SCRIPT[1:4]
    assert speaker.says(chat(opened=True), answer)[:2] == ("I look.", "hm")
    assert speaker.says(chat(), answer)[:2] == ("hm</think>I look.", "")


def test_a_completion_is_text_and_nothing_else(speaker: Speaker) -> None:
    expected = ("<think>hm</think>I look.[look(at='it')]", "", [], FinishReason.STOP)
    assert speaker.says(TextPrompt("x"), SCRIPT) == expected


def test_a_call_that_ran_into_the_limit_is_content(speaker: Speaker, chat: Chatting) -> None:
    content, _, calls, reason = speaker.says(
        chat(ToolUse((TOOL,))), SCRIPT[:-1], FinishReason.LENGTH
    )
    assert content == "I look.<|tool_call_start|>[look(at='it')]"
    assert (calls, reason) == ([], FinishReason.LENGTH)


def test_forced_calls_come_after_a_thinking_that_the_template_opened(
    speaker: Speaker, chat: Chatting
) -> None:
    use = ToolUse((TOOL,), ToolMode.REQUIRED)
    forced = '[{"name":"look","arguments":{}}]'
    calls = [("look", "{}")]
    assert speaker.says(chat(use), [forced]) == ("", "", calls, FinishReason.TOOL_CALLS)
    thought = speaker.says(chat(use, opened=True), ["hm", "</think>", forced])
    assert thought == ("", "hm", calls, FinishReason.TOOL_CALLS)
