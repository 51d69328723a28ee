"""What changes logits before a token is drawn: biases, penalties, constraints."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from app.domain.refusals import InvalidRequest
from app.engines.worker.backend import Prepared
from app.engines.worker.loading import LoadedModel

Processor = Callable[[mx.array, mx.array], mx.array]
"""Tokens so far and logits (1, vocabulary) in, logits out."""


def processors_of(
    model: LoadedModel,  # noqa: ARG001 - not done yet
    prepared: Prepared,
) -> list[Any]:
    """None for most sequences: each costs the batch a synchronisation per token."""
    if prepared.constraint is not None:
        raise InvalidRequest("constraints are not done yet")
    return []
