"""Feasibility holds for any shape: more never needs less, and what fits is within the budget."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.authority.feasibility import MAX_SLOTS, budget, decide, need
from app.domain.feasibility import DoesNotFit, Fits, Need
from app.domain.memory import MemoryReading
from app.domain.shapes import Format, KvGroup, ModelShape

SIZE = st.integers(0, 1 << 44)
DIM = st.integers(1, 4096)
CONTEXT = st.integers(1, 1 << 20)
SLOTS = st.integers(1, MAX_SLOTS)

GROUPS = st.builds(
    KvGroup,
    layers=st.integers(1, 200),
    heads=st.integers(1, 128),
    key_dim=DIM,
    value_dim=DIM,
    window=st.none() | st.integers(1, 1 << 17),
)
SHAPES = st.builds(
    ModelShape,
    architecture=st.just("any"),
    max_context=st.just(1 << 20),
    weights_bytes=SIZE,
    element_bytes=st.sampled_from([2, 4]),
    hidden=DIM,
    intermediate=DIM,
    heads=st.integers(1, 128),
    head_dim=DIM,
    vocab=st.integers(1, 1 << 18),
    kv=st.lists(GROUPS, max_size=3).map(tuple),
    load_extra_bytes=SIZE,
    expanded_per_token=st.integers(0, 1 << 16),
    state_bytes_per_slot=st.integers(0, 1 << 24),
    tokenizer_bytes=st.integers(0, 1 << 26),
    format=st.sampled_from(Format),
)
READINGS = st.builds(
    MemoryReading,
    taken_at=st.just(0.0),
    total_bytes=SIZE,
    available_bytes=SIZE,
    cgroup_limit_bytes=st.none() | SIZE,
    cgroup_used_bytes=st.none() | SIZE,
    metal_headroom_bytes=st.none() | SIZE,
)


def total(shape: ModelShape, context: int, slots: int) -> int:
    return need(shape, context=context, slots=slots, worker_base_bytes=1).total_bytes


@given(SHAPES, CONTEXT, CONTEXT, SLOTS)
def test_a_longer_context_never_needs_less(shape: ModelShape, a: int, b: int, slots: int) -> None:
    assert total(shape, min(a, b), slots) <= total(shape, max(a, b), slots)


@given(SHAPES, CONTEXT, SLOTS, SLOTS)
def test_more_slots_never_need_less(shape: ModelShape, context: int, a: int, b: int) -> None:
    assert total(shape, context, min(a, b)) <= total(shape, context, max(a, b))


@given(SHAPES, CONTEXT, SLOTS, SIZE)
def test_more_weights_need_exactly_that_much_more(
    shape: ModelShape, context: int, slots: int, more: int
) -> None:
    heavier = replace(shape, weights_bytes=shape.weights_bytes + more)
    assert total(heavier, context, slots) == total(shape, context, slots) + more


@given(SHAPES, CONTEXT, SLOTS)
def test_a_need_covers_at_least_weights_and_every_token(
    shape: ModelShape, context: int, slots: int
) -> None:
    kept = sum(
        g.layers * min(context, g.window or context) * g.bytes_per_token(shape.element_bytes)
        for g in shape.kv
    )
    assert total(shape, context, slots) >= shape.weights_bytes + slots * kept


@given(st.builds(Need, SIZE, SIZE, SIZE, SIZE), READINGS, SIZE)
def test_what_fits_is_within_every_limit(
    asked: Need, reading: MemoryReading, promised: int
) -> None:
    verdict = decide(asked, budget(reading, promised_untaken_bytes=promised, now=0.0))
    if isinstance(verdict, DoesNotFit):
        assert verdict.shortfall_bytes > 0
        return
    assert isinstance(verdict, Fits)
    taken = asked.total_bytes + promised
    assert taken == 0 or 10 * taken <= 9 * reading.available_bytes
    assert (
        taken == 0
        or reading.metal_headroom_bytes is None
        or (taken <= reading.metal_headroom_bytes)
    )


@given(SHAPES)
def test_any_shape_survives_json(shape: ModelShape) -> None:
    assert ModelShape.from_dict(shape.as_dict()) == shape
