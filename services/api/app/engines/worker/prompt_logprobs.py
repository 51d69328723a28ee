"""The prompt given back, with the log probability of each of its tokens where asked."""

from app.engines.protocol import SequenceEchoed
from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel


def echo(model: LoadedModel, prepared: Prepared) -> SequenceEchoed:
    """Not done yet: the text alone."""
    text = prepared.rendered or model.tokenizer.decode(prepared.tokens)
    return SequenceEchoed(prepared.handle, text, ())
