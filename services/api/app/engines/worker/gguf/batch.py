"""The decode loop on llama.cpp: one step of all sequences at a time.

Everything here belongs to one thread. Other threads put items into `inbox` and read `stalled_ms`.
llama.cpp takes all of its memory at load, so nothing here can make it grow.
"""

import time
from dataclasses import dataclass

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.generation import FinishReason
from app.domain.refusals import Refusal
from app.engines.worker.backend import Prepared, Send, failed
from app.engines.worker.gguf.decoder import Decoder, Feed, Logits
from app.engines.worker.gguf.drawing import Draw, Sampler
from app.engines.worker.gguf.language import GgufLanguage
from app.engines.worker.gguf.penalties import Penalties
from app.engines.worker.gguf.slots import Slots
from app.engines.worker.gguf.speaker import Echo, Speaker
from app.engines.worker.logprobs import RowTelling, Telling
from app.engines.worker.running import refused
from app.engines.worker.speaking import new_voice
from app.engines.worker.stepping import BURST_TOKENS, Stepping
from app.engines.worker.voice import Outgoing

# A prompt is read in pieces that take about so long, so that others' tokens go on between them.
PIECE_S = 0.25
SMALLEST_PIECE = 16


@dataclass(frozen=True, slots=True)
class Voicing:
    """What sequences are made from."""

    language: GgufLanguage
    draw: Draw

    def telling(self, count: int) -> Telling:
        return RowTelling(self.language, count=count, numbers_of=lambda row: row)


Speakers = list[tuple[int, Speaker]]


class Batch(Stepping):
    """Runs as many sequences at a time as the decoder has slots; further ones wait in order."""

    def __init__(self, decoder: Decoder, slots: Slots, voicing: Voicing, send: Send) -> None:
        super().__init__(send)
        self._decoder = decoder
        self._slots = slots
        self._voicing = voicing
        self._running: dict[int, Speaker] = {}
        self._piece = PREFILL_CHUNK_TOKENS
        self._read_since = 0

    @property
    def is_speaking(self) -> bool:
        return bool(self._running)

    @property
    def room(self) -> int:
        return self._slots.room

    def step(self) -> None:
        feeds = self._feeds()
        started = time.monotonic()
        try:
            rows = self._decoder.step(list(feeds.values()))
        except Exception as error:  # noqa: BLE001 - one bad step must not end the worker
            self._step_failed(error)
            return
        self._pace(sum(len(feed.tokens) for feed in feeds.values()), time.monotonic() - started)
        self._advance(feeds, rows)

    def _feeds(self) -> dict[int, Feed]:
        """What a step is fed, in the order of slots: llama.cpp computes neighbours together."""
        speaking = [one for one in self._running.items() if not one[1].is_reading]
        reading = [one for one in self._running.items() if one[1].is_reading]
        reading.sort(key=lambda one: len(one[1].unread))  # nobody waits for another's long prompt
        burst = self._burst(speaking, reading)
        if burst:
            feeds = self._prompts(reading[:1], burst)
        else:
            self._read_since = 0
            feeds = {handle: speaker.feed(1, 1) for handle, speaker in speaking}
            feeds |= self._prompts(reading, self._piece_beside_others)
        return dict(sorted(feeds.items(), key=lambda item: item[1].slot))

    def _burst(self, speaking: Speakers, reading: Speakers) -> int:
        """How much of a burst may still be read while those who have just begun wait for it.

        As in MLX's loop: their second tokens would only delay the others' first ones. Nobody waits
        so for a long prompt.
        """
        left = BURST_TOKENS - self._read_since
        if not reading or len(self._running) == 1 or len(reading[0][1].unread) > left:
            return 0
        return left if all(speaker.voice.tokens == 1 for _, speaker in speaking) else 0

    @property
    def _piece_beside_others(self) -> int:
        return self._piece if len(self._running) > 1 else PREFILL_CHUNK_TOKENS

    def _prompts(self, reading: Speakers, piece: int) -> dict[int, Feed]:
        """Of the prompts `piece` tokens, if there is room for so many."""
        feeds: dict[int, Feed] = {}
        outputs = self._decoder.outputs_at_once - len(self._running)
        for handle, speaker in reading:
            if piece <= 0 or outputs <= 0:
                break
            feeds[handle] = feed = speaker.feed(piece, outputs)
            piece -= len(feed.tokens)
            outputs -= max(0, feed.outputs - 1)
            self._read_since += len(feed.tokens)
        return feeds

    def _pace(self, tokens: int, seconds: float) -> None:
        """Prompts are read in such pieces that a step takes about `PIECE_S`."""
        if tokens > self._decoder.slots:
            fitting = int(tokens * PIECE_S / max(seconds, 1e-6))
            self._piece = max(SMALLEST_PIECE, min(PREFILL_CHUNK_TOKENS, fitting))

    def _advance(self, feeds: dict[int, Feed], rows: Logits) -> None:
        out, at = Outgoing(), 0
        for handle, feed in feeds.items():
            own, at = rows[at : at + feed.outputs], at + feed.outputs
            try:
                self._advance_one(self._running[handle], own, out)
            except Refusal as refusal:
                out.end(refused(handle, refusal))
                self.leave(handle)
            except Exception as error:  # noqa: BLE001 - rejects this sequence only
                out.end(failed(handle, error))
                self.leave(handle)
        if messages := out.messages():
            self._send(messages)

    def _advance_one(self, speaker: Speaker, rows: Logits, out: Outgoing) -> None:
        due, handle, echo = speaker.has_read(), speaker.prepared.handle, speaker.echo
        if echo is not None:
            echo.hear(rows) if echo.tells else None
            if due:
                speaker.echo = None
                self._send([echo.message()])
        if not due:
            return
        if speaker.prepared.max_tokens == 0:
            self._end(speaker, FinishReason.LENGTH, out)
            return
        tells = speaker.prepared.asked.sampling.logprobs is not None
        token, row = speaker.draw(rows[-1], tells=tells)
        if token in self._voicing.language.end_tokens:
            speaker.voice.hear_end(token, row)
            self._end(speaker, FinishReason.STOP, out)
            return
        out.add(handle, speaker.voice.hear(token, row))
        if speaker.voice.stopped:
            self._end(speaker, FinishReason.STOP, out)
        elif speaker.voice.tokens >= speaker.prepared.max_tokens:
            self._end(speaker, FinishReason.LENGTH, out)

    def _end(self, speaker: Speaker, reason: FinishReason, out: Outgoing) -> None:
        out.add(speaker.prepared.handle, speaker.voice.end())
        stopped = speaker.voice.stopped  # what was held back may have completed a stop string
        out.end(speaker.finished(FinishReason.STOP if stopped else reason))
        self.leave(speaker.prepared.handle)

    def leave(self, handle: int) -> bool:
        """Its slot remembers what it read so far."""
        speaker = self._running.pop(handle, None)
        if speaker is not None:
            self._slots.give_back(speaker.slot)
        return speaker is not None

    def _step_failed(self, error: Exception) -> None:
        """What the slots hold is unknown now: end what ran, and begin anew."""
        running, self._running = list(self._running), {}
        self._send([failed(handle, error) for handle in running])
        self._slots.forget()

    def begin(self, prepared: Prepared) -> None:
        sampling, tokens = prepared.asked.sampling, prepared.tokens
        language = self._voicing.language
        voice = new_voice(language, prepared, self._voicing.telling)
        echo = Echo(language, prepared) if sampling.echo else None
        if echo is not None and prepared.max_tokens == 0 and not echo.tells:
            ended = voice.finished(prepared.handle, FinishReason.LENGTH, prompt_tokens=len(tokens))
            self._send([echo.message(), ended])
            return
        sampler = Sampler(self._voicing.draw.of(sampling), seed=sampling.seed)
        penalties = Penalties(sampling, tokens, vocab_size=self._decoder.vocab_size)
        slot = self._slots.take(
            prepared.asked.cache_scope, tokens, afresh=echo is not None and echo.tells
        )
        cached = len(slot.tokens)
        self._running[prepared.handle] = Speaker(
            prepared, slot, voice, sampler, penalties, tokens[cached:], cached, echo
        )
