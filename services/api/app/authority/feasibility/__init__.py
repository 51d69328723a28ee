"""The only place that says whether a load fits: pure, in whole bytes.

What a worker holds depends on the engine that the model's format decides: a module of terms each.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from app.authority.feasibility import gguf_terms, mlx_terms
from app.domain.feasibility import Budget, DoesNotFit, Fits, Need, Verdict
from app.domain.memory import MemoryReading
from app.domain.refusals import InvalidRequest, MemoryReadingStale
from app.domain.shapes import Format, ModelShape

# The share of memory that loads may take altogether (promise G-LMX-01), in percent.
BUDGET_PERCENT = 90
MAX_SLOTS = 1024


class Terms(Protocol):
    """What an engine holds besides weights and its own base, at the peak of full sequences."""

    def kv_bytes(self, shape: ModelShape, *, context: int, slots: int) -> int: ...
    def workspace_bytes(self, shape: ModelShape, *, context: int, slots: int) -> int: ...
    def prompt_cache_bytes(self, shape: ModelShape, *, context: int) -> int: ...


_TERMS: Final[Mapping[Format, Terms]] = {Format.MLX: mlx_terms, Format.GGUF: gguf_terms}


def need(shape: ModelShape, *, context: int, slots: int, worker_base_bytes: int) -> Need:
    """Bytes at the peak of a worker that fills `slots` sequences of `context` tokens."""
    if context < 1 or context > shape.max_context:
        raise InvalidRequest(
            f"The context must be from 1 to {shape.max_context} tokens for this model, "
            f"not {context}.",
            param="context",
        )
    if slots < 1 or slots > MAX_SLOTS:
        raise InvalidRequest(f"Slots must be from 1 to {MAX_SLOTS}, not {slots}.", param="slots")
    terms = _TERMS[shape.format]
    return Need(
        weights_bytes=shape.weights_bytes,
        kv_bytes=terms.kv_bytes(shape, context=context, slots=slots),
        workspace_bytes=terms.workspace_bytes(shape, context=context, slots=slots),
        worker_base_bytes=worker_base_bytes,
        prompt_cache_bytes=terms.prompt_cache_bytes(shape, context=context),
    )


def budget(
    reading: MemoryReading,
    *,
    promised_untaken_bytes: int,
    now: float,
    max_age_s: float = 2.0,
) -> Budget:
    """What may still be promised, from a reading that is at most `max_age_s` old."""
    age_s = now - reading.taken_at
    # Negated, so that an age that is not a number is stale too.
    if not 0 <= age_s <= max_age_s:
        raise MemoryReadingStale(
            f"The memory reading is {age_s:.1f} s old; at most {max_age_s:.1f} s are trusted. "
            "Nothing is loaded on an old reading; try again.",
            retry_after_s=1,
        )
    limit = max(0, min(reading.available_bytes, _cgroup_room(reading)))
    share = limit * BUDGET_PERCENT // 100
    if reading.metal_headroom_bytes is not None:
        share = min(share, reading.metal_headroom_bytes)
    return Budget(
        total_bytes=reading.total_bytes,
        available_bytes=reading.available_bytes,
        limit_bytes=limit,
        metal_headroom_bytes=reading.metal_headroom_bytes,
        promised_untaken_bytes=promised_untaken_bytes,
        budget_bytes=max(0, share - promised_untaken_bytes),
    )


def budget_at_best(reading: MemoryReading) -> Budget:
    """What could be promised if nothing else ran here: what is beyond it never fits."""
    limits = (reading.total_bytes, reading.cgroup_limit_bytes)
    limit = min(found for found in limits if found is not None)
    return Budget(
        total_bytes=reading.total_bytes,
        available_bytes=reading.total_bytes,
        limit_bytes=limit,
        metal_headroom_bytes=None,
        promised_untaken_bytes=0,
        budget_bytes=limit * BUDGET_PERCENT // 100,
    )


def decide(need: Need, budget: Budget) -> Verdict:
    """Fits when the whole need is within the budget, to the byte."""
    if need.total_bytes <= budget.budget_bytes:
        return Fits(need, budget)
    return DoesNotFit(need, budget)


def _cgroup_room(reading: MemoryReading) -> int:
    if reading.cgroup_limit_bytes is None:
        return reading.available_bytes
    # A limit without a known use is taken as used up: silence is refusal.
    if reading.cgroup_used_bytes is None:
        return 0
    return reading.cgroup_limit_bytes - reading.cgroup_used_bytes
