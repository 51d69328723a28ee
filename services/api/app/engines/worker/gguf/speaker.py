"""One sequence inside the decoder: what is still to be read of its prompt, what it says."""

from dataclasses import dataclass, field

import numpy as np

from app.domain.generation import FinishReason, TokenLogprob
from app.domain.refusals import ConstraintRejected
from app.engines.protocol import SequenceEchoed, SequenceFinished
from app.engines.worker.backend import Prepared
from app.engines.worker.constraints import Enforcing
from app.engines.worker.gguf.decoder import Feed, Logits
from app.engines.worker.gguf.drawing import Row, Sampler, log_probabilities
from app.engines.worker.gguf.penalties import Penalties
from app.engines.worker.gguf.slots import Slot
from app.engines.worker.language import Language
from app.engines.worker.logprobs import likeliest, shown, told
from app.engines.worker.voice import Voice


@dataclass(slots=True)
class Speaker:
    """`unread` tokens are fed next; `cached` of the prompt were remembered."""

    prepared: Prepared
    slot: Slot
    voice: Voice
    sampler: Sampler
    penalties: Penalties
    unread: list[int]
    cached: int
    echo: "Echo | None" = None
    fed: int = field(default=0)

    @property
    def is_reading(self) -> bool:
        """Still at its prompt."""
        return self.voice.tokens == 0 and len(self.unread) > 1

    def feed(self, most: int, outputs: int) -> Feed:
        """Its next tokens, at most `most`; logits of them where they are needed."""
        telling = self.echo is not None and self.echo.tells and self.voice.tokens == 0
        tokens = self.unread[: min(most, outputs) if telling else most]
        self.fed = len(tokens)
        ends = self.fed == len(self.unread)
        wanted = self.fed if telling else int(ends)
        return Feed(self.slot.number, tokens, len(self.slot.tokens), wanted)

    def has_read(self) -> bool:
        """What was fed is held now. Whether that was everything, so that a token is due."""
        self.slot.tokens += self.unread[: self.fed]
        del self.unread[: self.fed]
        return not self.unread

    def draw(self, row: Row, *, tells: bool) -> tuple[int, Row]:
        """The next token, and the row it was drawn from. Raises `ConstraintRejected`.

        The constraint comes last: a bias never makes a token likely that it forbids.
        """
        enforcing = self.prepared.constraint
        self.penalties.apply(row)
        if isinstance(enforcing, Enforcing):
            row[~enforcing.allowed] = -np.inf
        token = self.sampler(row)
        self.penalties.hear(token)
        if isinstance(enforcing, Enforcing):
            enforcing.draw(token)
            if enforcing.error is not None:
                raise ConstraintRejected(enforcing.error)
        self.unread = [token]
        return token, log_probabilities(row) if tells else row

    def finished(self, reason: FinishReason) -> SequenceFinished:
        return self.voice.finished(
            self.prepared.handle,
            reason,
            prompt_tokens=len(self.prepared.tokens),
            cached_tokens=self.cached,
        )


class Echo:
    """The prompt given back, with the log probability of each of its tokens where asked."""

    def __init__(self, language: Language, prepared: Prepared) -> None:
        self._language = language
        self._prepared = prepared
        self._count = prepared.asked.sampling.logprobs
        self._entries: list[TokenLogprob] = []

    @property
    def tells(self) -> bool:
        """Whether it needs the logits after every token of the prompt."""
        return self._count is not None

    def hear(self, rows: Logits) -> None:
        """The logits after the next tokens of the prompt."""
        tokens = self._prepared.tokens
        if not self._entries:
            self._entries.append(TokenLogprob(tokens[0], shown(self._language, tokens[0]), None))
        following = tokens[len(self._entries) : len(self._entries) + len(rows)]
        for row, token in zip(rows, following, strict=False):  # nothing follows the last
            self._entries.append(self._entry(token, log_probabilities(np.array(row))))

    def message(self) -> SequenceEchoed:
        text = self._prepared.rendered or self._language.decode(self._prepared.tokens)
        return SequenceEchoed(self._prepared.handle, text, tuple(self._entries))

    def _entry(self, token: int, row: Row) -> TokenLogprob:
        top = likeliest(self._language, row, self._count or 0)
        return TokenLogprob(token, shown(self._language, token), told(row[token]), top)
