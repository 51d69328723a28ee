"""What the MLX worker holds at its peak besides weights, in whole bytes.

Every term is what its runtime allocates. The figures it was held against are printed by
``bench/feasibility.py``.
"""

from app.domain.feasibility import PREFILL_BATCH, PREFILL_CHUNK_TOKENS
from app.domain.shapes import KvGroup, ModelShape, Task

# Caches grow in steps of this many tokens.
KV_STEP_TOKENS = 256
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
    sequences, chunk = _read_at_once(shape, context, slots)
    tokens = sequences * chunk
    width = (
        PROJECTION_COPIES * shape.heads * shape.head_dim
        + HIDDEN_COPIES * shape.hidden
        + FEED_FORWARD_COPIES * shape.intermediate
    )
    return tokens * width * shape.element_bytes


def _attention_bytes(shape: ModelShape, context: int, slots: int) -> int:
    """Scores of one layer, the mask, and keys and values where a layer has to unfold them.

    Of a text that is read whole, too, the scores of a chunk at most exist at a time.
    """
    sequences, tokens = _read_at_once(shape, context, slots)
    chunk = min(tokens, PREFILL_CHUNK_TOKENS)
    room = context if _reads_whole_texts(shape) else context + KV_STEP_TOKENS
    copies = 2 if shape.expanded_per_token else 1
    scores = copies * shape.heads * chunk * shape.element_bytes
    return sequences * room * (scores + chunk + shape.expanded_per_token * shape.element_bytes)


def _read_at_once(shape: ModelShape, context: int, slots: int) -> tuple[int, int]:
    """How many texts are read together, and how much of each.

    An encoder takes one whole, or as many short ones as make up a chunk.
    """
    if _reads_whole_texts(shape):
        return -(-PREFILL_CHUNK_TOKENS // context), context
    return min(slots, PREFILL_BATCH), min(context, PREFILL_CHUNK_TOKENS)


def _reads_whole_texts(shape: ModelShape) -> bool:
    return shape.task is not Task.GENERATE and not shape.kv


def _moved_kv_bytes(shape: ModelShape, context: int, slots: int) -> int:
    """A cache that grows, or that a sequence joins or leaves, is copied layer by layer."""
    layers = (_layer_kv_bytes(shape, group, context, slots) for group in shape.kv)
    return MOVED_LAYERS * max(layers, default=0)
