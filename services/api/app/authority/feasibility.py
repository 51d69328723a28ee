"""The only place that says whether a load fits: pure, in whole bytes.

Every term is what the worker's runtime allocates at its peak. The figures it was held against are
printed by ``bench/feasibility.py``.
"""

from app.domain.feasibility import (
    PREFILL_BATCH,
    PREFILL_CHUNK_TOKENS,
    Budget,
    DoesNotFit,
    Fits,
    Need,
    Verdict,
)
from app.domain.memory import MemoryReading
from app.domain.refusals import InvalidRequest, MemoryReadingStale
from app.domain.shapes import KvGroup, ModelShape, Task

# Caches grow in steps of this many tokens.
KV_STEP_TOKENS = 256
# The share of memory that loads may take altogether (promise G-LMX-01), in percent.
BUDGET_PERCENT = 90
MAX_SLOTS = 1024
FLOAT32_BYTES = 4

# Copies alive at once, as measured on the worker's own generator: attention's queries, keys, values
# and results; the feed-forward's gate, up and product; logits, their logarithms and what sampling
# with a nucleus sorts.
PROJECTION_COPIES = 12
HIDDEN_COPIES = 6
FEED_FORWARD_COPIES = 3
LOGITS_COPIES = 11
# Layers whose old and new caches are both held while a cache is copied.
MOVED_LAYERS = 2
# What the runtime itself grows by at first use: compiled kernels, streams, late imports.
RUNTIME_BYTES = 16 << 20
# A tokenizer in memory, per token it knows, and while it is read: measured at 32,000 to 250,000.
TOKEN_BYTES = 1152
TOKEN_BYTES_AT_LOAD = 1536


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
    return Need(
        weights_bytes=shape.weights_bytes,
        kv_bytes=kv_bytes(shape, context=context, slots=slots),
        workspace_bytes=workspace_bytes(shape, context=context, slots=slots),
        worker_base_bytes=worker_base_bytes,
        prompt_cache_bytes=prompt_cache_bytes(shape, context=context),
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


# --- the terms ------------------------------------------------------------------------------


def kv_bytes(shape: ModelShape, *, context: int, slots: int) -> int:
    """Keys and values of `slots` full sequences, and what recurrent layers keep."""
    groups = sum(group.layers * _layer_kv_bytes(shape, group, context, slots) for group in shape.kv)
    return groups + slots * shape.state_bytes_per_slot


def prompt_cache_bytes(shape: ModelShape, *, context: int) -> int:
    """Room to remember prompts in: as much as one more sequence of the whole context would take.

    Only what generates text remembers any.
    """
    return kv_bytes(shape, context=context, slots=1) if shape.task is Task.GENERATE else 0


def _layer_kv_bytes(shape: ModelShape, group: KvGroup, context: int, slots: int) -> int:
    return slots * _kept_tokens(group, context) * group.bytes_per_token(shape.element_bytes)


def _kept_tokens(group: KvGroup, context: int) -> int:
    """Room that a cache has at most for one sequence.

    It grows by whole steps from wherever the prompt ended, so up to a step beyond the context. A
    rotating one holds its window and the chunk that is being read, less one.
    """
    grown = context + KV_STEP_TOKENS
    if group.window is None:
        return grown
    return min(grown, group.window + PREFILL_CHUNK_TOKENS - 1)


def workspace_bytes(shape: ModelShape, *, context: int, slots: int) -> int:
    """What is held besides weights and cache at the worst moment, at load or at work."""
    work = (
        _activations_bytes(shape, context, slots)
        + _attention_bytes(shape, context, slots)
        + LOGITS_COPIES * slots * shape.vocab * FLOAT32_BYTES
        + _moved_kv_bytes(shape, context, slots)
    )
    tokens = shape.vocab if shape.tokenizer_bytes else 0
    # Weights are rearranged first and the tokenizer is read next; caches do not exist yet.
    loading = max(shape.load_extra_bytes, tokens * TOKEN_BYTES_AT_LOAD)
    at_load = max(0, loading - kv_bytes(shape, context=context, slots=slots))
    return max(work + tokens * TOKEN_BYTES, at_load) + RUNTIME_BYTES


def _activations_bytes(shape: ModelShape, context: int, slots: int) -> int:
    """Layers' inputs and outputs while a chunk of each prompt is read.

    Nothing of a layer is reused before its successors ran, and the runtime runs ahead of itself.
    """
    tokens = min(slots, PREFILL_BATCH) * min(context, PREFILL_CHUNK_TOKENS)
    width = (
        PROJECTION_COPIES * shape.heads * shape.head_dim
        + HIDDEN_COPIES * shape.hidden
        + FEED_FORWARD_COPIES * shape.intermediate
    )
    return tokens * width * shape.element_bytes


def _attention_bytes(shape: ModelShape, context: int, slots: int) -> int:
    """Scores of one layer, the mask, and keys and values where a layer has to unfold them."""
    sequences, chunk = min(slots, PREFILL_BATCH), min(context, PREFILL_CHUNK_TOKENS)
    room = context + KV_STEP_TOKENS
    copies = 2 if shape.expanded_per_token else 1
    scores = copies * shape.heads * chunk * shape.element_bytes
    return sequences * room * (scores + chunk + shape.expanded_per_token * shape.element_bytes)


def _moved_kv_bytes(shape: ModelShape, context: int, slots: int) -> int:
    """A cache that grows, or that a sequence joins or leaves, is copied layer by layer."""
    layers = (_layer_kv_bytes(shape, group, context, slots) for group in shape.kv)
    return MOVED_LAYERS * max(layers, default=0)
