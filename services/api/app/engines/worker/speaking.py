"""Makes the voice of a sequence from what was asked of it."""

from collections.abc import Callable

from app.domain.generation import ChatPrompt
from app.engines.worker.backend import Prepared
from app.engines.worker.channels import Parts
from app.engines.worker.forced import AnswerOrCalls, ForcedCalls
from app.engines.worker.language import Language
from app.engines.worker.logprobs import Telling
from app.engines.worker.markers import Markers
from app.engines.worker.stops import StopScanner
from app.engines.worker.voice import Channels, PlainText, Voice


def new_voice(
    language: Language, prepared: Prepared, telling_of: Callable[[int], Telling]
) -> Voice:
    """`telling_of` makes what tells log probabilities with so many alternatives."""
    count = prepared.asked.sampling.logprobs
    chat = isinstance(prepared.asked.prompt, ChatPrompt)
    channels = _channels(language.markers, prepared)
    shown: tuple[str, ...] = ()
    if not isinstance(channels, PlainText):
        shown = language.markers.visible(calls=channels.calling)
    return Voice(
        text=language.new_text_stream(shown),
        stops=StopScanner(prepared.asked.sampling.stop),
        channels=channels,
        telling=None if count is None else telling_of(count),
        tells_end=not chat,  # evaluations of completions count on it: they drop the last entry
    )


def _channels(markers: Markers, prepared: Prepared) -> Channels:
    """Only chats have parts: a completion's text is all text."""
    prompt = prepared.asked.prompt
    if not isinstance(prompt, ChatPrompt):
        return PlainText()
    thinking = markers.opens_thinking(prepared.rendered)
    before = Parts(markers, thinking=True) if thinking else PlainText()
    if prompt.use.forced:
        return ForcedCalls(before)
    if prompt.use.offered and prepared.asked.sampling.constraint is not None:
        return AnswerOrCalls(before, markers.call_start)
    if markers.thinks or prompt.use.offered or markers.dropped:
        return Parts(markers, use=prompt.use, thinking=thinking)
    return PlainText()
