"""A chat's messages and tools to the text that the model reads, cut where nothing may join."""

from collections.abc import Mapping
from typing import Any

from app.domain.generation import ChatPrompt
from app.domain.refusals import PromptRejected
from app.engines.worker.controls import MARKINGS, Controls, new_mark
from app.engines.worker.conversation import variables
from app.engines.worker.language import Language
from app.engines.worker.templates import ChatTemplates, TemplateFailed, TemplateRefused

_FOR_TOOLS = "tool_use"


class Chats:
    """Renders chats with one model's templates. Used by one thread."""

    def __init__(self, language: Language, *, time_limit_s: float) -> None:
        self._sources = language.chat_templates
        self._knows_tools = language.markers.renders_tools
        self._controls = Controls(
            language.control_tokens,
            own=[
                text for text in (language.markers.think_start, language.markers.think_end) if text
            ],
        )
        self._templates = ChatTemplates(
            self._sources, constants=language.template_constants, time_limit_s=time_limit_s
        )

    def pieces(self, prompt: ChatPrompt) -> list[str]:
        """To be tokenized each by itself; joined they are the prompt. Raises `PromptRejected`."""
        try:
            return self._pieces(prompt)
        except RecursionError as error:
            raise _rejected(TemplateFailed("they are nested too deeply")) from error

    def close(self) -> None:
        self._templates.close()

    def _pieces(self, prompt: ChatPrompt) -> list[str]:
        name = self._name(prompt)
        asked = variables(prompt, template=self._sources[name], knows_tools=self._knows_tools)
        refused: TemplateFailed | None = None
        for attempt in asked:
            try:
                return self._render(attempt, name)
            except TemplateRefused as error:
                refused = refused or error
            except TemplateFailed as error:
                raise _rejected(error) from error
        raise _rejected(refused) from refused

    def _name(self, prompt: ChatPrompt) -> str:
        """A template for tools, where the model has one, also for calls that were made earlier."""
        called = any(message.get("tool_calls") for message in prompt.messages)
        wanted = self._knows_tools and (prompt.use.offered or called)
        return _FOR_TOOLS if wanted and _FOR_TOOLS in self._sources else "default"

    def _render(self, asked: Mapping[str, Any], name: str) -> list[str]:
        """With marks, if that says the same, in order not to change what a template looks at."""
        plain = self._templates.render(asked, template=name)
        if not self._controls.may_be_in(asked):
            return [plain]
        mark = new_mark(asked, plain, self._sources[name])
        otherwise: str | None = None
        for marking in MARKINGS:
            try:
                marked = self._templates.render(
                    self._controls.marked(asked, marking, mark), template=name
                )
            except TemplateRefused:
                continue
            if marked.replace(mark, "") == plain:
                return self._controls.split(marked, mark)
            otherwise = otherwise or marked
        if otherwise is None:
            raise TemplateRefused("the messages hold control tokens of the model")
        return self._controls.split(otherwise, mark)


def _rejected(error: TemplateFailed | None) -> PromptRejected:
    return PromptRejected(
        f"The model's chat template could not render the messages: {error}.", param="messages"
    )
