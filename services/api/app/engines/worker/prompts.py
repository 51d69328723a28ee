"""From a prompt to checked tokens, before anything is queued: no prompt can hurt the batch."""

from collections.abc import Sequence

from app.domain.generation import ChatPrompt, Prompt, TextPrompt, TokenPrompt
from app.domain.refusals import (
    ConstraintRejected,
    ContextLengthExceeded,
    PromptRejected,
    Refusal,
    TaskNotSupported,
)
from app.domain.work import Detokenize, Embed, Rerank, Text, Tokenize, Tokens
from app.engines.protocol import Generate
from app.engines.worker.backend import Prepared, Steps
from app.engines.worker.chats import Chats
from app.engines.worker.controls import Controls
from app.engines.worker.language import Constraining, Language, Vectoring


class Prompts:
    """Renders, tokenizes and checks. Used by one thread."""

    def __init__(
        self,
        language: Language,
        *,
        context: int,
        constraints: Constraining | None = None,
        vectors: Vectoring | None = None,
        time_limit_s: float = 1.0,
    ) -> None:
        self._language = language
        self._context = context
        self._constraints = constraints
        self._vectors = vectors
        has_template = "default" in language.chat_templates
        self._controls = Controls(language.control_tokens)
        self._chats = Chats(language, time_limit_s=time_limit_s) if has_template else None

    def prepare(self, asked: Generate) -> Prepared:
        """Raises `PromptRejected`, `ContextLengthExceeded` or `ConstraintRejected`."""
        try:
            rendered, tokens = self._rendered(asked.prompt)
            self._check(tokens)
            limit = self._limit(asked, len(tokens))
        except Refusal as refusal:  # clients look for the field that they have sent
            if refusal.param != "prompt" or not isinstance(asked.prompt, ChatPrompt):
                raise
            raise type(refusal)(refusal.message, param="messages") from refusal
        constraint = self._constraint(asked, rendered)
        return Prepared(asked.handle, tokens, limit, asked, rendered, constraint)

    def close(self) -> None:
        """End the process that renders; the worker's end does it, too."""
        if self._chats is not None:
            self._chats.close()

    def tokens(self, work: Tokenize) -> Tokens:
        """Raises `PromptRejected`."""
        _, tokens = self._rendered(work.prompt, special=work.special)
        self._check_vocabulary(tokens)
        return Tokens(tuple(tokens), tuple(self._language.bytes_of(token) for token in tokens))

    def text(self, work: Detokenize) -> Text:
        """Raises `PromptRejected`."""
        self._check_vocabulary(work.tokens)
        return Text(self._language.decode(work.tokens))

    def steps(self, work: Embed | Rerank) -> Steps:
        """Raises `PromptRejected`, `ContextLengthExceeded` or `TaskNotSupported`."""
        if isinstance(work, Rerank):
            raise TaskNotSupported(
                "This model ranks no documents. Ask a cross-encoder, such as a reranker of the "
                "BERT family.",
                param="model",
            )
        if self._vectors is None:
            raise TaskNotSupported("This model gives no embeddings.", param="model")
        inputs = [
            self._input(prompt, f"input[{place}]")
            for place, prompt in enumerate(work.inputs, work.first)
        ]
        return self._vectors.embed(inputs, work.dimensions)

    def _input(self, prompt: Prompt, where: str) -> list[int]:
        try:
            tokens = self._content(prompt)
            self._check(tokens)
        except Refusal as refusal:
            raise type(refusal)(f"{where}: {refusal.message}", param=where) from refusal
        if len(tokens) > self._context:
            raise ContextLengthExceeded(
                f"{where} has {len(tokens)} tokens, and this model's context is {self._context}"
                " tokens. Split it, or load the model with a longer context.",
                param=where,
            )
        return tokens

    def _content(self, prompt: Prompt) -> list[int]:
        """Of a text that is read, not gone on with: control tokens in it are only text."""
        pieces = self._controls.apart(prompt.text) if isinstance(prompt, TextPrompt) else []
        if len(pieces) < 2:
            return self._rendered(prompt)[1]
        plain, around = self._encode("a", special=False), self._encode("a", special=True)
        added = len(around) - len(plain)
        begins = (at for at in range(added) if around[at : at + len(plain)] == plain)
        before = next(begins, added)
        return [*around[:before], *self._encode_all(pieces), *around[before + len(plain) :]]

    def _constraint(self, asked: Generate, rendered: str) -> object | None:
        if self._constraints is not None:
            return self._constraints.compile(asked, rendered)
        prompt = asked.prompt
        forced = isinstance(prompt, ChatPrompt) and prompt.use.forced
        if forced or asked.sampling.constraint is not None:
            param = "tool_choice" if forced else "response_format"
            raise ConstraintRejected("This model's engine has no constraints.", param=param)
        return None

    def _check(self, tokens: list[int]) -> None:
        if not tokens:
            raise PromptRejected("The prompt is empty. Send at least one token.", param="prompt")
        self._check_vocabulary(tokens)

    def _limit(self, asked: Generate, prompt_tokens: int) -> int:
        sampling, room = asked.sampling, self._context - prompt_tokens
        if room < 0 or (room == 0 and sampling.max_tokens != 0):
            raise self._too_long(f"{prompt_tokens}")
        least = 0 if sampling.echo else 1
        if sampling.max_tokens is not None and sampling.max_tokens < least:
            raise PromptRejected(f"max_tokens must be at least {least}.", param="max_tokens")
        return room if sampling.max_tokens is None else min(sampling.max_tokens, room)

    def _rendered(self, prompt: Prompt, *, special: bool = True) -> tuple[str, list[int]]:
        """The text, empty for a prompt of tokens, and its tokens."""
        match prompt:
            case TokenPrompt(tokens):
                return "", list(tokens)
            case TextPrompt(text):
                return text, self._encode(text, special=special)
            case ChatPrompt():
                pieces = self._pieces(prompt)
                return "".join(pieces), self._encode_all(pieces)

    def _pieces(self, prompt: ChatPrompt) -> list[str]:
        if self._chats is None:
            raise PromptRejected(
                "This model has no chat template. Use /v1/completions.", param="messages"
            )
        return self._chats.pieces(prompt)

    def _encode_all(self, pieces: list[str]) -> list[int]:
        """Each by itself. Someone who sends control tokens often sends one of them often."""
        if len(pieces) == 1:
            return self._encode(pieces[0], special=False)
        if len(pieces) > self._context:  # each is a token at least
            raise self._too_long(f"at least {len(pieces)}")
        known: dict[str, list[int]] = {}
        tokens: list[int] = []
        for piece in pieces:
            if piece not in known:
                known[piece] = self._encode(piece, special=False)
            tokens += known[piece]
        return tokens

    def _encode(self, text: str, *, special: bool) -> list[int]:
        longest = self._language.longest_token
        if len(text) > self._context * longest:
            raise self._too_long(f"at least {len(text) // longest}")
        try:
            text.encode()
            return self._language.encode(text, special=special)
        except Exception as error:  # tokenizers raise bare exceptions of many types
            if isinstance(error, Refusal):
                raise
            raise PromptRejected("The prompt is no valid Unicode text.", param="prompt") from error

    def _check_vocabulary(self, tokens: Sequence[int]) -> None:
        size = self._language.vocab_size
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
