"""Each term of a need, on shapes small enough to add up by hand."""

from dataclasses import replace

import pytest

from app.authority.feasibility import MAX_SLOTS, need
from app.authority.feasibility.mlx_terms import (
    HIDDEN_COPIES,
    RUNTIME_BYTES,
    TOKEN_BYTES,
    TOKEN_BYTES_AT_LOAD,
    kv_bytes,
    workspace_bytes,
)
from app.domain.feasibility import PREFILL_BATCH, PREFILL_CHUNK_TOKENS
from app.domain.refusals import InvalidRequest
from app.domain.shapes import KvGroup, ModelShape

GROUPED = KvGroup(layers=3, heads=2, key_dim=8, value_dim=8)
SHAPE = ModelShape(
    architecture="llama",
    max_context=100_000,
    weights_bytes=1000,
    element_bytes=2,
    hidden=32,
    intermediate=64,
    heads=4,
    head_dim=8,
    vocab=100,
    kv=(GROUPED,),
)


def test_a_need_is_weights_cache_workspace_and_worker() -> None:
    found = need(SHAPE, context=1000, slots=2, worker_base_bytes=77)
    assert found.weights_bytes == 1000
    assert found.worker_base_bytes == 77
    assert found.kv_bytes == kv_bytes(SHAPE, context=1000, slots=2)
    assert found.workspace_bytes == workspace_bytes(SHAPE, context=1000, slots=2)
    assert found.total_bytes == sum(found.terms().values())


def test_a_full_cache_holds_the_context_and_up_to_one_step_more() -> None:
    per_token = 3 * 2 * (8 + 8) * 2
    assert kv_bytes(SHAPE, context=1000, slots=1) == (1000 + 256) * per_token
    assert kv_bytes(SHAPE, context=1000, slots=5) == 5 * (1000 + 256) * per_token


def test_a_rotating_cache_holds_its_window_and_the_chunk_that_is_read() -> None:
    sliding = replace(SHAPE, kv=(replace(GROUPED, window=128),))
    per_token = 3 * 2 * (8 + 8) * 2
    assert kv_bytes(sliding, context=90_000, slots=1) == (128 + 511) * per_token
    assert kv_bytes(sliding, context=100, slots=1) == 356 * per_token


def test_groups_add_up() -> None:
    mixed = replace(SHAPE, kv=(GROUPED, replace(GROUPED, layers=1, window=128)))
    assert kv_bytes(mixed, context=1000, slots=1) == (3 * 1256 + 639) * 2 * 16 * 2


def test_a_latent_cache_is_as_small_as_its_latent() -> None:
    latent = replace(SHAPE, kv=(KvGroup(layers=3, heads=1, key_dim=4, value_dim=1),))
    assert kv_bytes(latent, context=744, slots=1) == 1000 * 3 * 5 * 2


def test_recurrent_state_counts_per_slot_and_not_per_token() -> None:
    recurrent = replace(SHAPE, kv=(), state_bytes_per_slot=10)
    assert kv_bytes(recurrent, context=1, slots=4) == 40
    assert kv_bytes(recurrent, context=9000, slots=4) == 40


def test_workspace_covers_one_layer_of_scores_for_a_chunk_of_every_prompt() -> None:
    one = workspace_bytes(SHAPE, context=8192, slots=1)
    more_heads = workspace_bytes(replace(SHAPE, heads=5), context=8192, slots=1)
    scores = PREFILL_CHUNK_TOKENS * (8192 + 256) * 2
    projections = 12 * PREFILL_CHUNK_TOKENS * 8 * 2
    assert more_heads - one == scores + projections


def test_unfolding_a_latent_holds_scores_twice_and_keys_and_values_once() -> None:
    plain = workspace_bytes(SHAPE, context=8192, slots=1)
    unfolded = workspace_bytes(replace(SHAPE, expanded_per_token=7), context=8192, slots=1)
    assert unfolded - plain == 8448 * (4 * PREFILL_CHUNK_TOKENS * 2 + 7 * 2)


def test_no_more_prompts_are_read_at_once_than_the_worker_reads() -> None:
    def grown(slots: int) -> int:
        more = replace(SHAPE, hidden=SHAPE.hidden + 1)
        at = {"context": 8192, "slots": slots}
        return workspace_bytes(more, **at) - workspace_bytes(SHAPE, **at)

    per_prompt = PREFILL_CHUNK_TOKENS * HIDDEN_COPIES * 2
    assert grown(1) == per_prompt
    assert grown(PREFILL_BATCH) == grown(PREFILL_BATCH + 9) == PREFILL_BATCH * per_prompt


def test_logits_count_for_every_slot() -> None:
    wide = replace(SHAPE, vocab=SHAPE.vocab + 1000)
    grown = [
        workspace_bytes(wide, context=64, slots=n) - workspace_bytes(SHAPE, context=64, slots=n)
        for n in (1, 3)
    ]
    assert grown == [44_000, 132_000]


def test_a_tokenizer_counts_for_every_token_it_knows() -> None:
    wide = replace(SHAPE, vocab=100_000)
    at = {"context": 10_000, "slots": 4}
    with_tokenizer = workspace_bytes(replace(wide, tokenizer_bytes=1), **at)
    assert with_tokenizer - workspace_bytes(wide, **at) == 100_000 * TOKEN_BYTES


def test_a_tokenizer_that_is_read_needs_more_than_one_that_was() -> None:
    wide = replace(SHAPE, vocab=10_000_000, tokenizer_bytes=1, load_extra_bytes=1 << 30, kv=())
    reading = 10_000_000 * TOKEN_BYTES_AT_LOAD + RUNTIME_BYTES
    assert workspace_bytes(wide, context=1, slots=1) == reading


def test_weights_that_are_rearranged_at_load_count_where_work_needs_less() -> None:
    stacked = replace(SHAPE, load_extra_bytes=10 << 30)
    found = need(stacked, context=1000, slots=1, worker_base_bytes=0)
    # Caches do not exist yet at load, so their room is there for the copies.
    assert found.kv_bytes + found.workspace_bytes == (10 << 30) + RUNTIME_BYTES


def test_an_empty_cache_needs_no_moving() -> None:
    assert workspace_bytes(replace(SHAPE, kv=()), context=10, slots=1) > RUNTIME_BYTES


@pytest.mark.parametrize("context", [0, -1, 100_001])
def test_a_context_the_model_does_not_have_is_refused(context: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        need(SHAPE, context=context, slots=1, worker_base_bytes=0)
    assert refused.value.param == "context"


@pytest.mark.parametrize("slots", [0, -1, MAX_SLOTS + 1])
def test_slots_out_of_bounds_are_refused(slots: int) -> None:
    with pytest.raises(InvalidRequest) as refused:
        need(SHAPE, context=1, slots=slots, worker_base_bytes=0)
    assert refused.value.param == "slots"


def test_the_bounds_themselves_are_taken() -> None:
    assert need(SHAPE, context=100_000, slots=MAX_SLOTS, worker_base_bytes=0).total_bytes > 0
    assert need(SHAPE, context=1, slots=1, worker_base_bytes=0).total_bytes > 0


def test_a_shape_survives_json() -> None:
    import json

    mixed = replace(SHAPE, kv=(GROUPED, replace(GROUPED, window=128)))
    assert ModelShape.from_dict(json.loads(json.dumps(mixed.as_dict()))) == mixed
