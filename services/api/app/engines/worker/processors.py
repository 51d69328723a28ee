"""What changes logits before a token is drawn: biases, penalties, constraints."""

from app.domain.refusals import ConstraintRejected
from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel
from app.engines.worker.penalties import Processor, penalties_of


def processors_of(model: LoadedModel, prepared: Prepared) -> list[Processor]:
    """None for most sequences: each costs the batch a synchronisation per token."""
    if prepared.constraint is not None:
        raise ConstraintRejected("Constraints are not done yet.", param="response_format")
    return penalties_of(
        prepared.asked.sampling,
        prompt_tokens=len(prepared.tokens),
        vocab_size=model.vocab_size,
    )
