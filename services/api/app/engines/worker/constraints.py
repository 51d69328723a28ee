"""What an answer has to obey, enforced token by token: compiled by llguidance, for either engine.

`Constraints` belongs to a model and compiles what a request asks for, once for each sequence;
`Enforcing` is that sequence's state. An engine asks it before every token which tokens are allowed,
and tells it the token that was drawn.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from app.domain.generation import NO_TOOLS, ChatPrompt, Constraint, Form, ToolUse
from app.domain.refusals import ConstraintRejected
from app.engines.protocol import Generate
from app.engines.worker.grammars import grammar_of, grammar_of_calls, grammar_of_either
from app.engines.worker.markers import NO_MARKERS, Markers
from app.engines.worker.patterns import NotExact, has_half

_LIMITS = LLParserLimits(
    max_lexer_states=60_000,
    max_grammar_size=50_000,
    initial_lexer_fuel=200_000,
    step_max_items=20_000,
    verbose_errors=False,
)
"""Beyond these a matcher fails, at compiling or at a token: a mask takes tens of milliseconds at
most, and a matcher some tens of megabytes."""

Bits = NDArray[np.bool_]
"""Which tokens are allowed: one entry for each row of the model's vocabulary."""


class Vocabulary(Protocol):
    """A tokenizer of which the tokens are known, whoever made it."""

    @property
    def vocab_size(self) -> int: ...
    def bytes_of(self, token: int) -> bytes:
        """None for a token that stands for no text."""

    def encode(self, text: str, *, special: bool) -> list[int]: ...


class Enforcing:
    """One sequence under its constraint. Used by one thread at a time.

    While the model still thinks (`after` has not been drawn yet) everything is allowed but the end.
    """

    def __init__(
        self,
        matcher: LLMatcher,
        *,
        rows: int,
        size: int,
        ends: frozenset[int],
        after: Sequence[int] = (),
    ) -> None:
        self._matcher = matcher
        self._size = size
        self._after = tuple(after)
        self._last: list[int] = []
        self._thinking = bool(after)
        self._words = np.zeros((rows + 31) // 32, dtype=np.int32)
        self._but_ends = np.ones(size, dtype=np.bool_)
        self._but_ends[list(ends)] = False
        self.error: str | None = None

    @property
    def allowed(self) -> Bits:
        """What may come next. Once there is an `error` the engine has to end the sequence: it is no
        answer, so nothing that looks like an end is allowed any more."""
        words = self._words
        if not self._thinking and self.error is None:
            self._matcher.unsafe_compute_mask_ptr(words.ctypes.data, words.nbytes)
            if self._matcher.is_error():
                self._fail()
        if self._thinking or self.error is not None:
            return self._but_ends
        bits = np.unpackbits(words.view(np.uint8), bitorder="little", count=self._size)
        return bits.view(np.bool_)

    def draw(self, token: int) -> None:
        """`token` is the next one of the answer."""
        if self._thinking:
            self._last = [*self._last, token][-len(self._after) :]
            self._thinking = tuple(self._last) != self._after
        elif not self._matcher.is_stopped() and not self._matcher.consume_token(token):
            self._fail()

    def _fail(self) -> None:
        self.error = self.error or "The answer's constraint became too complex to go on."


class Constraints:
    """Compiles constraints for one model.

    `tokenizer` is a fast one of transformers, or a `Vocabulary`; it is read at the first
    constraint, which takes from some milliseconds to a second. `vocab_size` is how many rows the
    model's logits have: those beyond the tokenizer's tokens are never allowed. `ends` are the
    tokens that end an answer, `special` those of a `Vocabulary` that are no text (a tokenizer
    knows its own).
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        vocab_size: int,
        ends: Iterable[int],
        special: Iterable[int] = (),
        markers: Markers = NO_MARKERS,
    ) -> None:
        self._tokenizer = tokenizer
        self._size = vocab_size
        self._ends = frozenset(end for end in ends if 0 <= end < vocab_size)
        self._special = frozenset(special)
        self._markers = markers
        self._read: LLTokenizer | None = None

    def compile(self, asked: Generate, rendered: str) -> Enforcing | None:
        """None where nothing is asked for. Raises `ConstraintRejected`."""
        constraint = asked.sampling.constraint
        param = "tools" if constraint is None else _PARAMS.get(constraint.form)
        try:
            grammar = self._grammar(constraint, _use(asked))
            return None if grammar is None else self._enforcing(grammar, rendered)
        except NotExact as error:
            message = f"The constraint cannot be enforced exactly: {error}."
            raise ConstraintRejected(message, param=param) from error

    def _grammar(self, constraint: Constraint | None, use: ToolUse) -> str | None:
        if use.forced:
            if constraint is not None:
                raise NotExact("forced calls and a constrained answer exclude each other")
            return grammar_of_calls(use)
        if constraint is None:
            return None
        if not use.offered:
            return grammar_of(constraint)
        marker = self._markers.call_start
        return grammar_of_either(constraint, use, marker, self._encode(marker))

    def _encode(self, text: str) -> list[int]:
        if hasattr(self._tokenizer, "bytes_of"):
            return list(self._tokenizer.encode(text, special=False))
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _enforcing(self, grammar: str, rendered: str) -> Enforcing:
        """The first mask is made here: what fails at once is found before anything is queued."""
        after = self._after(rendered)
        if has_half(grammar):
            raise NotExact("it holds half a character (a lone surrogate)")
        if not self._ends:
            raise NotExact("the model has no token that ends an answer")
        vocabulary = self._vocabulary()
        matcher = LLMatcher(vocabulary, grammar, log_level=0, limits=_LIMITS)
        if matcher.is_error():
            raise NotExact(_plain(matcher.get_error()))
        matcher.compute_bitmask()
        if matcher.is_error():
            raise NotExact("no answer can obey it, or too many can")
        return Enforcing(
            matcher, rows=vocabulary.vocab_size, size=self._size, ends=self._ends, after=after
        )

    def _after(self, rendered: str) -> tuple[int, ...]:
        """The tokens after which the constraint begins."""
        if not self._markers.opens_thinking(rendered):
            return ()
        if not self._markers.think_end_tokens:
            raise NotExact("it cannot be told where this model's thinking ends")
        return self._markers.think_end_tokens

    def _vocabulary(self) -> LLTokenizer:
        if self._read is None:
            known = hasattr(self._tokenizer, "bytes_of")
            self._read = self._of_tokens() if known else self._of_transformers()
        return self._read

    def _of_transformers(self) -> LLTokenizer:
        from llguidance.hf import from_tokenizer

        rows = max(self._size, len(self._tokenizer))
        return from_tokenizer(self._tokenizer, n_vocab=rows, eos_token=sorted(self._ends))

    def _of_tokens(self) -> LLTokenizer:
        wrapped = TokenizerWrapper(_Tokens(self._tokenizer, self._size, self._ends, self._special))
        return LLTokenizer(wrapped, n_vocab=self._size, eos_token=sorted(self._ends))


class _Tokens:
    """A `Vocabulary` in the shape that llguidance reads."""

    bos_token_id = None

    def __init__(
        self, vocabulary: Vocabulary, size: int, ends: frozenset[int], special: frozenset[int]
    ) -> None:
        self._vocabulary = vocabulary
        self.eos_token_id = min(ends)
        self.special_token_ids = sorted(ends | special)
        self.tokens = [vocabulary.bytes_of(token) for token in range(size)]

    def __call__(self, text: bytes | str) -> list[int]:
        whole = text if isinstance(text, str) else text.decode(errors="replace")
        return self._vocabulary.encode(whole, special=False)


_PARAMS: dict[Form, str] = {Form.JSON: "response_format", Form.SCHEMA: "response_format"}


def _use(asked: Generate) -> ToolUse:
    return asked.prompt.use if isinstance(asked.prompt, ChatPrompt) else NO_TOOLS


def _plain(error: str) -> str:
    """The first line of what llguidance says, without where in the text it made of the request."""
    said = next((line.strip() for line in error.splitlines() if line.strip()), "it is not valid")
    if "regex parse error" in said:
        said = next((line for line in error.splitlines() if line.startswith("error:")), said)
    return said.split("failed to compile JSON schema: ")[-1][:200].rstrip(".: ")
