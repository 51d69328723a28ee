"""What the GGUF worker holds at its peak besides weights, in whole bytes.

llama.cpp takes nearly all of it at load and keeps it: caches of full length for every slot, and
room for one step of `PREFILL_CHUNK_TOKENS` tokens, whose scores are never written down (flash
attention). tests/unit/feasibility/test_llama_agrees.py holds this against the real one.
"""

from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.shapes import KvGroup, ModelShape, Task

# Caches are padded to so many tokens.
STEP_TOKENS = 256
FLOAT32_BYTES = 4
# Copies alive at once in a step: of what flows, of what attention reads and writes, and the feed
# forward's gate, up and product with what is quantized for a product of matrices.
HIDDEN_COPIES = 6
PROJECTION_COPIES = 5
FEED_FORWARD_COPIES = 4
# The mask, in single and in half precision.
MASK_BYTES = 6
# Rows of logits that a step may give besides one a slot, in the step's room and in the output's.
TOLD_ROWS = 32
ROW_COPIES = 2
# What drawing a token from a row makes of it, slot by slot.
DRAWING_COPIES = 8
# A token's text, kind, score and share of merges, and what constraints keep of it.
TOKEN_BYTES = 1024
# Graphs, thread pools, late imports.
RUNTIME_BYTES = 24 << 20


def kv_bytes(shape: ModelShape, *, context: int, slots: int) -> int:
    """Keys and values of `slots` full sequences; each has room of its own from the start."""
    room = _padded(_padded(context * slots) // slots)
    kept = sum(
        group.layers * _kept_tokens(group, room, slots) * group.bytes_per_token(shape.element_bytes)
        for group in shape.kv
    )
    return slots * (kept + shape.state_bytes_per_slot)


def prompt_cache_bytes(shape: ModelShape, *, context: int) -> int:  # noqa: ARG001 - one of a kind
    """None besides the slots: prompts are remembered in the room that they were read into."""
    return 0


def workspace_bytes(shape: ModelShape, *, context: int, slots: int) -> int:
    """What is held besides weights and cache at the worst moment, at load or at work."""
    tokens = shape.vocab * TOKEN_BYTES
    work = _step_bytes(shape, context, slots) + _logits_bytes(shape, slots)
    # One tensor is read beside its place before it is arranged; caches do not exist yet.
    at_load = max(0, shape.load_extra_bytes - kv_bytes(shape, context=context, slots=slots))
    return tokens + max(work, at_load) + RUNTIME_BYTES


def _kept_tokens(group: KvGroup, room: int, slots: int) -> int:
    """A layer with a window keeps it and the step that is being read."""
    if group.window is None:
        return room
    return min(room, _padded(group.window + PREFILL_CHUNK_TOKENS + slots))


def _step_bytes(shape: ModelShape, context: int, slots: int) -> int:
    tokens = PREFILL_CHUNK_TOKENS
    scores = 0
    if shape.task is not Task.GENERATE:  # a whole text is read at once
        tokens = max(tokens, context)
        scores = 0 if shape.kv else shape.heads * tokens * FLOAT32_BYTES
    width = (
        HIDDEN_COPIES * shape.hidden
        + PROJECTION_COPIES * shape.heads * shape.head_dim
        + FEED_FORWARD_COPIES * shape.intermediate
    )
    masks = 2 if any(group.window is not None for group in shape.kv) else 1
    mask = masks * MASK_BYTES * _padded(_padded(context * slots) // slots)
    return tokens * (width * FLOAT32_BYTES + mask + scores)


def _logits_bytes(shape: ModelShape, slots: int) -> int:
    rows = ROW_COPIES * (TOLD_ROWS + slots) + DRAWING_COPIES * slots
    return rows * shape.vocab * FLOAT32_BYTES


def _padded(tokens: int) -> int:
    return -(-tokens // STEP_TOKENS) * STEP_TOKENS
