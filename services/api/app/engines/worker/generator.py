"""The only place that makes mlx-lm's `BatchGenerator`, whose interface is not a stable one."""

from collections.abc import Iterable
from typing import Any

from mlx_lm import generate
from mlx_lm.generate import BatchGenerator

PREFILL_STEP_TOKENS = 512  # a cancel waits for one chunk of a prompt at most
PREFILL_SEQUENCES = 8

# On Metal every generator would wire memory up to the recommended maximum, which is known to bring
# the kernel down under load. What is resident here is budgeted already, so nothing is wired.
generate.maybe_set_recommended_wired_limit = lambda: None


def new_generator(model: Any, *, slots: int, end_tokens: Iterable[int] = ()) -> BatchGenerator:
    return BatchGenerator(
        model,
        stop_tokens=[[token] for token in end_tokens],
        completion_batch_size=slots,
        prefill_batch_size=min(PREFILL_SEQUENCES, slots),
        prefill_step_size=PREFILL_STEP_TOKENS,
    )
