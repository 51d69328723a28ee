"""From a prompt to checked tokens, before anything is queued: no prompt can hurt the batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.generation import ChatPrompt, TextPrompt, TokenPrompt
from app.domain.refusals import ContextLengthExceeded, PromptRejected, Refusal
from app.engines.protocol import (
    Generate,
)
from app.engines.worker.loading import LoadedModel
from app.engines.worker.templates import ChatTemplate, TemplateFailed


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sequence that fits and may be queued. `max_tokens` ends within the context."""

    handle: int
    tokens: list[int]
    max_tokens: int
    asked: Generate


class Prompts:
    """Renders, tokenizes and checks. Used by one thread."""

    def __init__(self, model: LoadedModel, *, context: int, time_limit_s: float = 1.0) -> None:
        self._model = model
        self._context = context
        self._longest_token = max(len(token) for token in model.tokenizer.get_vocab())
        self._template = (
            ChatTemplate(
                model.chat_template,
                constants=model.template_constants,
                time_limit_s=time_limit_s,
            )
            if model.chat_template is not None
            else None
        )

    def prepare(self, asked: Generate) -> Prepared:
        """Raises `PromptRejected` or `ContextLengthExceeded`."""
        tokens = self._tokens(asked)
        if not tokens:
            raise PromptRejected("The prompt is empty. Send at least one token.", param="prompt")
        self._check_vocabulary(tokens)
        room = self._context - len(tokens)
        if room <= 0:
            raise self._too_long(f"{len(tokens)}")
        if asked.max_tokens is not None and asked.max_tokens < 1:
            raise PromptRejected("max_tokens must be at least 1.", param="max_tokens")
        limit = room if asked.max_tokens is None else min(asked.max_tokens, room)
        return Prepared(asked.handle, tokens, limit, asked)

    def _tokens(self, asked: Generate) -> list[int]:
        match asked.prompt:
            case TokenPrompt(tokens):
                return list(tokens)
            case TextPrompt(text):
                return self._encode(text, special=True)
            case ChatPrompt(messages):
                if self._template is None:
                    raise PromptRejected(
                        "This model has no chat template. Use /v1/completions.", param="messages"
                    )
                try:
                    text = self._template.render(messages)
                except TemplateFailed as error:
                    raise PromptRejected(
                        f"The model's chat template could not render the messages: {error}.",
                        param="messages",
                    ) from error
                return self._encode(text, special=False)

    def _encode(self, text: str, *, special: bool) -> list[int]:
        if len(text) > self._context * self._longest_token:
            raise self._too_long(f"at least {len(text) // self._longest_token}")
        try:
            text.encode()
            tokens: list[int] = self._model.tokenizer.encode(text, add_special_tokens=special)
        except Exception as error:  # tokenizers raise bare exceptions of many types
            if isinstance(error, Refusal):
                raise
            raise PromptRejected("The prompt is no valid Unicode text.", param="prompt") from error
        return tokens

    def _check_vocabulary(self, tokens: Sequence[int]) -> None:
        size = self._model.vocab_size
        wrong = next((token for token in tokens if not 0 <= token < size), None)
        if wrong is not None:
            raise PromptRejected(
                f"Token {wrong} is outside this model's vocabulary (0 to {size - 1}).",
                param="prompt",
            )

    def _too_long(self, tokens: str) -> ContextLengthExceeded:
        return ContextLengthExceeded(
            f"This model's context is {self._context} tokens, and the prompt has {tokens}, which"
            " leaves no room for an answer. Shorten the prompt, or load the model with a longer"
            " context.",
            param="prompt",
        )
