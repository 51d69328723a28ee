"""Makes the voice of a sequence from what was asked of it."""

from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel
from app.engines.worker.stops import StopScanner
from app.engines.worker.voice import PlainText, Voice


def new_voice(model: LoadedModel, prepared: Prepared) -> Voice:
    return Voice(
        text=model.new_text_stream(),
        stops=StopScanner(prepared.asked.sampling.stop),
        channels=PlainText(),
    )
