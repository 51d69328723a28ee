"""Makes the voice of a sequence from what was asked of it."""

from app.engines.worker.backend import Prepared
from app.engines.worker.language import Language
from app.engines.worker.stops import StopScanner
from app.engines.worker.voice import PlainText, Voice


def new_voice(language: Language, prepared: Prepared) -> Voice:
    return Voice(
        text=language.new_text_stream(),
        stops=StopScanner(prepared.asked.sampling.stop),
        channels=PlainText(),
    )
