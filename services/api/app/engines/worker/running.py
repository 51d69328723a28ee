"""What is under way in the decode loop: a sequence inside the generator, or a step of a job."""

from dataclasses import dataclass

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.generation import FinishReason
from app.domain.refusals import Refusal
from app.engines.protocol import Computed, FromWorker, SequenceFinished, SequenceRejected
from app.engines.worker.backend import Job, Prepared, failed
from app.engines.worker.voice import Voice


@dataclass(slots=True)
class Running:
    """One sequence inside the generator. `cached` tokens of its prompt were remembered.

    `ahead` says that the token which the next step brings was told already.
    """

    prepared: Prepared
    voice: Voice
    cached: int = 0
    ahead: bool = False

    @property
    def length(self) -> int:
        return len(self.prepared.tokens) + self.voice.tokens

    @property
    def unread(self) -> int:
        """How much of its prompt had to be read."""
        return len(self.prepared.tokens) - self.cached

    @property
    def is_about_to_begin(self) -> bool:
        """Its first token is near; a prompt of many chunks may share its steps."""
        return self.voice.tokens == 0 and self.unread <= PREFILL_CHUNK_TOKENS

    def finished(self, reason: FinishReason) -> SequenceFinished:
        return self.voice.finished(
            self.prepared.handle,
            reason,
            prompt_tokens=len(self.prepared.tokens),
            cached_tokens=self.cached,
        )


def stepped(job: Job) -> list[FromWorker] | None:
    """One step of a job. None while it goes on, else its last word, which may be nothing."""
    try:
        next(job.steps)
    except StopIteration as done:
        return [] if done.value is None else [Computed(job.handle, done.value)]
    except Refusal as refusal:
        return [refused(job.handle, refusal)]
    except Exception as error:  # noqa: BLE001 - a poison input rejects itself only
        return [failed(job.handle, error)]
    return None


def refused(handle: int, refusal: Refusal) -> SequenceRejected:
    return SequenceRejected(handle, refusal.code, refusal.message, refusal.param)
