"""What changes logits before a token is drawn: biases, penalties, constraints."""

from typing import Any

import mlx.core as mx

from app.domain.refusals import ConstraintRejected
from app.engines.worker.backend import Prepared
from app.engines.worker.constraints import Enforcing
from app.engines.worker.loading import LoadedModel
from app.engines.worker.penalties import Processor, penalties_of

_NEVER = -float("inf")


def processors_of(model: LoadedModel, prepared: Prepared) -> list[Processor]:
    """None for most sequences: each costs the batch a synchronisation per token.

    The constraint comes last: a bias never makes a token likely that it forbids.
    """
    penalties = penalties_of(
        prepared.asked.sampling,
        prompt_tokens=len(prepared.tokens),
        vocab_size=model.vocab_size,
    )
    if isinstance(prepared.constraint, Enforcing):
        return [*penalties, _constraint(prepared.constraint)]
    return penalties


def check_constraint(prepared: Prepared) -> None:
    """Raises `ConstraintRejected` for a sequence whose constraint cannot be told any more."""
    enforcing = prepared.constraint
    if isinstance(enforcing, Enforcing) and enforcing.error is not None:
        raise ConstraintRejected(enforcing.error)


def _constraint(enforcing: Enforcing) -> Processor:
    """Waits for the last token, which is what a constraint costs; the mask itself is cheap."""
    begun = False

    def process(tokens: mx.array, logits: mx.array) -> mx.array:
        nonlocal begun
        if begun:
            last: Any = tokens[-1].item()
            enforcing.draw(last)
        begun = True
        allowed = mx.array(enforcing.allowed)
        return mx.where(allowed, logits, mx.array(_NEVER, dtype=logits.dtype))

    return process
