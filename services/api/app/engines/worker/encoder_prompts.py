"""What an encoder is asked, checked and tokenized before anything is queued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from app.domain.refusals import ContextLengthExceeded, PromptRejected, TaskNotSupported
from app.domain.work import Detokenize, Embed, Rerank, Text, Tokenize, Tokens
from app.engines.protocol import Generate
from app.engines.worker.backend import CannotLoad, Prepared, Steps
from app.engines.worker.language import Language, Vectoring
from app.engines.worker.markers import NO_MARKERS, Markers
from app.engines.worker.prompts import Prompts
from app.engines.worker.text import TextStream, WindowTextStream

# What an unknown word may hide: word pieces give up on longer ones.
_LONGEST_WORD = 128


class Encoding(Vectoring, Protocol):
    """An encoder, which may rank as well."""

    def rank(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Steps:
        """Scores of texts with the kind of each token. Raises `TaskNotSupported`."""


@dataclass(frozen=True)
class EncoderLanguage:
    """An encoder's tokenizer as a `Language`. Texts never hold control tokens."""

    tokenizer: Tokenizer
    vocab_size: int
    longest_token: int
    chat_templates: Mapping[str, str]
    template_constants: Mapping[str, str]
    control_tokens: Sequence[str] = ()
    markers: Markers = NO_MARKERS

    @classmethod
    def load(cls, directory: Path, *, vocab_size: int) -> "EncoderLanguage":
        """Raises `CannotLoad`."""
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise CannotLoad("The model has no tokenizer.json, which encoders need here.")
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode_special_tokens = True
        longest = max(map(len, tokenizer.get_vocab()), default=1)
        return cls(tokenizer, vocab_size, max(longest, _LONGEST_WORD), {}, {})

    def encode(self, text: str, *, special: bool) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=special).ids
        return ids

    def pair(self, query: str, document: str) -> tuple[list[int], list[int]]:
        """Tokens, and for each to which of the two it belongs."""
        found = self.tokenizer.encode(query, document)
        return found.ids, found.type_ids

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=False))

    def bytes_of(self, token: int) -> bytes:
        name = self.tokenizer.id_to_token(token)
        return b"" if name is None else name.removeprefix("##").replace("\u2581", " ").encode()

    def new_text_stream(self, shown: Sequence[str] = ()) -> TextStream:  # noqa: ARG002 - protocol
        return WindowTextStream(self.decode)


class EncoderPrompts:
    """Implements `Preparing`: tokens, vectors and ranks, but no answers."""

    def __init__(self, language: EncoderLanguage, model: Encoding, *, context: int) -> None:
        self._language = language
        self._model = model
        self._context = context
        as_language: Language = language
        self._prompts = Prompts(as_language, context=context, vectors=model)

    def prepare(self, asked: Generate) -> Prepared:  # noqa: ARG002 - whatever is asked
        raise TaskNotSupported(
            "This model is an encoder: it reads texts and generates none. Ask it on "
            "/v1/embeddings or /v1/rerank.",
            param="model",
        )

    def tokens(self, work: Tokenize) -> Tokens:
        return self._prompts.tokens(work)

    def text(self, work: Detokenize) -> Text:
        return self._prompts.text(work)

    def steps(self, work: Embed | Rerank) -> Steps:
        """Raises what `Prompts.steps` does."""
        if isinstance(work, Embed):
            return self._prompts.steps(work)
        pairs = [
            self._pair(work.query, one, at) for at, one in enumerate(work.documents, work.first)
        ]
        return self._model.rank(pairs)

    def _pair(self, query: str, document: str, at: int) -> tuple[list[int], list[int]]:
        where = f"documents[{at}]"
        count = len(query) + len(document)
        if count > self._context * self._language.longest_token:
            raise self._too_long(f"at least {count // self._language.longest_token}", where)
        try:
            tokens, types = self._language.pair(query, document)
        except Exception as error:  # tokenizers raise bare exceptions of many types
            raise PromptRejected(
                f"The query or {where} is no valid Unicode text.", param=where
            ) from error
        if len(tokens) > self._context:
            raise self._too_long(f"{len(tokens)}", where)
        if not tokens or max(tokens) >= self._language.vocab_size:
            raise PromptRejected(f"{where} has no tokens that the model knows.", param=where)
        return tokens, types

    def _too_long(self, tokens: str, where: str) -> ContextLengthExceeded:
        return ContextLengthExceeded(
            f"{where} and the query have {tokens} tokens together, and this model's context is "
            f"{self._context} tokens. Shorten them.",
            param=where,
        )
