"""The only place that makes mlx-lm's `BatchGenerator`, whose interface is not a stable one."""

from collections.abc import Iterable
from typing import Any

import mlx.core as mx
from mlx_lm import generate
from mlx_lm.generate import BatchGenerator

from app.domain.feasibility import PREFILL_BATCH, PREFILL_CHUNK_TOKENS

SMALL_CHUNK_TOKENS = 128

# On Metal every generator would wire memory up to the recommended maximum, which is known to bring
# the kernel down under load. What is resident here is budgeted already, so nothing is wired.
generate.maybe_set_recommended_wired_limit = lambda: None


def prompts_at_once() -> int:
    """How many prompts of a burst are read together.

    A processor reads eight prompts in the time of seven, so together all of them would wait for the
    last; a GPU reads them in little more than the time of one.
    """
    return PREFILL_BATCH if mx.default_device() == mx.gpu else 1


def chunk_tokens(*, beside_others: bool) -> int:
    """How much of a prompt is read between two steps of the other sequences.

    A processor reads small chunks no slower than large ones, so nobody has to wait for a large one.
    A GPU reads large ones faster, which is worth it only while nobody waits.
    """
    small = beside_others or mx.default_device() != mx.gpu
    return SMALL_CHUNK_TOKENS if small else PREFILL_CHUNK_TOKENS


def new_generator(model: Any, *, slots: int, end_tokens: Iterable[int] = ()) -> BatchGenerator:
    return BatchGenerator(
        model,
        stop_tokens=[[token] for token in end_tokens],
        completion_batch_size=slots,
        prefill_batch_size=min(PREFILL_BATCH, slots),
        prefill_step_size=PREFILL_CHUNK_TOKENS,
    )
