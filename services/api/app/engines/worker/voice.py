"""What one sequence says: its tokens in, final pieces of its answer out."""

from dataclasses import replace
from typing import Protocol

from app.domain.generation import Delta, FinishReason, Piece, TokenLogprob
from app.engines.protocol import Deltas, FromWorker, SequenceFinished, SequencePieces, TextDelta
from app.engines.worker.logprobs import Row, Telling
from app.engines.worker.stops import StopScanner
from app.engines.worker.text import TextStream


class Channels(Protocol):
    """Tells the parts of an answer apart: text, thinking, calls of tools."""

    @property
    def calls(self) -> int:
        """How many calls were begun so far."""

    @property
    def reasoning_tokens(self) -> int: ...

    @property
    def calling(self) -> bool:
        """Whether the model's own marker of calls has to be seen in the text."""

    @property
    def pending(self) -> bool:
        """Whether text is held back that may still become content."""

    def feed(self, text: str, tokens: int) -> list[Piece]:
        """Pieces that `text`, which took `tokens` tokens, makes final."""

    def flush(self) -> list[Piece]:
        """What was held back, once no more text comes."""


class PlainText:
    """An answer that is nothing but text."""

    calls = 0
    calling = False
    reasoning_tokens = 0
    pending = False

    def feed(self, text: str, tokens: int) -> list[Piece]:
        return [Delta(text, tokens)] if text else []

    def flush(self) -> list[Piece]:
        return []


class Voice:
    """Tokens to text, up to a stop string, told apart into pieces, with log probabilities if asked.

    `tokens` counts those that were generated. `tells_end` gives the token that ends the answer an
    entry, too, though it says nothing.
    """

    def __init__(
        self,
        *,
        text: TextStream,
        stops: StopScanner,
        channels: Channels,
        telling: Telling | None = None,
        tells_end: bool = False,
    ) -> None:
        self._text = text
        self._stops = stops
        self._channels = channels
        self._telling = telling
        self._tells_end = tells_end
        self._ending: list[Piece] = []
        self.tokens = 0
        self._unsent = 0
        self._characters = 0
        self._shown = 0
        self._entries: list[tuple[int, TokenLogprob]] = []
        self._due: list[TokenLogprob] = []

    @property
    def stopped(self) -> bool:
        return self._stops.stopped

    def hear(self, token: int, row: Row) -> list[Piece]:
        """The next token of the answer (never the one that ends it)."""
        self.tokens += 1
        self._unsent += 1
        gained = self._text.add(token)
        if self._telling is not None:
            self._characters += len(gained)
            self._entries.append((self._characters, self._telling.entry(token, row, gained)))
        return self._say(self._stops.feed(gained))

    def hear_end(self, token: int, row: Row) -> None:
        """The token that ends the answer: no text, and not one of `tokens`."""
        if self._telling is not None and self._tells_end:
            entry = replace(self._telling.entry(token, row, ""), text=b"")
            self._ending = [Delta("", 0, (entry,))]

    def end(self) -> list[Piece]:
        """Nothing more comes. Text that was held back may still complete a stop string."""
        pieces: list[Piece] = []
        if not self.stopped:
            rest = self._text.flush()
            self._characters += len(rest)
            text = self._stops.feed(rest)
            pieces = self._say(text if self.stopped else text + self._stops.flush(), last=True)
        pieces += self._with_due(self._channels.flush())
        return pieces if self.stopped else pieces + self._ending

    def finished(
        self, handle: int, reason: FinishReason, *, prompt_tokens: int, cached_tokens: int = 0
    ) -> SequenceFinished:
        """An answer that stopped by itself and holds calls ended for their sake."""
        if reason is FinishReason.STOP and self._channels.calls and not self.stopped:
            reason = FinishReason.TOOL_CALLS
        return SequenceFinished(
            handle,
            reason,
            prompt_tokens,
            self.tokens,
            cached_tokens,
            self._channels.reasoning_tokens,
            self._stops.found,
        )

    def _say(self, text: str, *, last: bool = False) -> list[Piece]:
        if not text and not (last and self._entries):
            return []
        tokens, self._unsent = self._unsent, 0
        pieces = self._channels.feed(text, tokens)
        return pieces if self._telling is None else self._with_logprobs(pieces, text, last=last)

    def _with_logprobs(self, pieces: list[Piece], text: str, *, last: bool) -> list[Piece]:
        self._shown += len(text)
        self._due += [entry for at, entry in self._entries if at <= self._shown]
        self._entries = [(at, entry) for at, entry in self._entries if at > self._shown]
        if last and not self.stopped:
            self._due += [entry for _, entry in self._entries]
        return self._with_due(pieces)

    def _with_due(self, pieces: list[Piece]) -> list[Piece]:
        """Entries of tokens that were shown go with the first delta; those of no content go."""
        for number, piece in enumerate(pieces):
            if isinstance(piece, Delta):
                pieces[number] = Delta(piece.text, piece.tokens, tuple(self._due))
                self._due = []
                return pieces
        if not self._channels.pending:
            self._due = []
        return pieces


class Outgoing:
    """What one step says of all sequences: plain text together, everything else by itself."""

    def __init__(self) -> None:
        self._deltas: list[TextDelta] = []
        self._rest: list[FromWorker] = []

    def add(self, handle: int, pieces: list[Piece]) -> None:
        if not pieces:
            return
        first = pieces[0]
        if len(pieces) == 1 and type(first) is Delta and not first.logprobs:
            self._deltas.append(TextDelta(handle, first.text, first.tokens))
        else:
            self._rest.append(SequencePieces(handle, tuple(pieces)))

    def end(self, message: FromWorker) -> None:
        self._rest.append(message)

    def messages(self) -> list[FromWorker]:
        """In an order in which every sequence's own pieces stay in theirs."""
        deltas: list[FromWorker] = [Deltas(tuple(self._deltas))] if self._deltas else []
        return deltas + self._rest
