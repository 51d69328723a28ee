"""What a model is asked besides generating: work that is done in one go."""

from dataclasses import dataclass

from app.domain.generation import Prompt


@dataclass(frozen=True, slots=True)
class Tokenize:
    """The tokens of a prompt. `special` adds those that the tokenizer puts around a text."""

    prompt: Prompt
    special: bool = True


@dataclass(frozen=True, slots=True)
class Detokenize:
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Embed:
    """One vector for each input, of length 1, cut to `dimensions` first where that is given.

    `first` is the place of the first input in the request, by which refusals name inputs.
    """

    inputs: tuple[Prompt, ...]
    dimensions: int | None = None
    first: int = 0


@dataclass(frozen=True, slots=True)
class Rerank:
    """How well each document answers the query. `first` is as for `Embed`."""

    query: str
    documents: tuple[str, ...]
    first: int = 0


Work = Tokenize | Detokenize | Embed | Rerank


@dataclass(frozen=True, slots=True)
class Tokens:
    """`texts` are the bytes of each token."""

    tokens: tuple[int, ...]
    texts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Vectors:
    """Little-endian float32, one for each input; and how many tokens each input had."""

    vectors: tuple[bytes, ...]
    prompt_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scores:
    """0 to 1 for each document, in the order asked; and the tokens of each query-document pair."""

    scores: tuple[float, ...]
    prompt_tokens: tuple[int, ...]


WorkResult = Tokens | Text | Vectors | Scores
