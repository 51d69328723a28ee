"""Makes the voice of a sequence from what was asked of it."""

from collections.abc import Callable

from app.engines.worker.backend import Prepared
from app.engines.worker.language import Language
from app.engines.worker.logprobs import Telling
from app.engines.worker.stops import StopScanner
from app.engines.worker.voice import PlainText, Voice


def new_voice(
    language: Language, prepared: Prepared, telling_of: Callable[[int], Telling]
) -> Voice:
    """`telling_of` makes what tells log probabilities with so many alternatives."""
    count = prepared.asked.sampling.logprobs
    return Voice(
        text=language.new_text_stream(),
        stops=StopScanner(prepared.asked.sampling.stop),
        channels=PlainText(),
        telling=None if count is None else telling_of(count),
    )
