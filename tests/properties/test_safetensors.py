"""The strict reader takes every right file, and no file in which one thing was changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.catalog.safetensors import (
    DTYPE_BYTES,
    LENGTH_BYTES,
    Header,
    header_length,
    parse_header,
)
from app.domain.refusals import IntakeRefused
from tests.model_files import safetensors


@st.composite
def right_files(draw: st.DrawFn) -> tuple[dict[str, object], bytes]:
    """A header and the tensors' bytes, in any order of names."""
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=6))
    header: dict[str, object] = {}
    at = 0
    for name in names:
        if name == "__metadata__":
            continue
        dtype = draw(st.sampled_from(sorted(DTYPE_BYTES)))
        shape = draw(st.lists(st.integers(0, 4), max_size=3))
        size = DTYPE_BYTES[dtype]
        for dimension in shape:
            size *= dimension
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    shuffled = dict(draw(st.permutations(list(header.items()))))
    if draw(st.booleans()):
        shuffled["__metadata__"] = {"format": "mlx"}
    return shuffled, bytes(at)


def read(file: bytes) -> Header:
    length = header_length(file[:LENGTH_BYTES], file_size=len(file), path="f")
    return parse_header(file[8 : 8 + length], file_size=len(file), path="f")


@given(right_files())
def test_a_right_file_is_read_and_every_byte_has_an_owner(
    right: tuple[dict[str, object], bytes],
) -> None:
    header, data = right
    found = read(safetensors(header, data))
    assert {t.name for t in found.tensors} == header.keys() - {"__metadata__"}
    assert sum(t.size for t in found.tensors) == len(data)


@given(right_files(), st.binary(min_size=1, max_size=9))
def test_bytes_after_the_last_tensor_are_refused(
    right: tuple[dict[str, object], bytes], more: bytes
) -> None:
    with pytest.raises(IntakeRefused):
        read(safetensors(*right) + more)


@given(right_files(), st.data())
def test_a_file_cut_short_anywhere_is_refused(
    right: tuple[dict[str, object], bytes], data: st.DataObject
) -> None:
    whole = safetensors(*right)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(IntakeRefused):
        read(whole[:cut])


@given(right_files(), st.data())
def test_a_tensor_moved_by_any_distance_is_refused(
    right: tuple[dict[str, object], bytes], data: st.DataObject
) -> None:
    header, body = json.loads(json.dumps(right[0])), right[1]
    moved = [
        n for n, e in header.items() if n != "__metadata__" and len(set(e["data_offsets"])) > 1
    ]
    if not moved:
        return
    entry = header[data.draw(st.sampled_from(moved))]
    by = data.draw(st.integers(-20, 20).filter(bool))
    entry["data_offsets"] = [offset + by for offset in entry["data_offsets"]]
    with pytest.raises(IntakeRefused):
        read(safetensors(header, body))


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_a_header_or_a_refusal(noise: bytes) -> None:
    for file in (noise, safetensors(noise), safetensors(b"{" + noise)):
        try:
            read(file)
        except IntakeRefused as refusal:
            assert refusal.details == {"path": "f"}  # noqa: PT017 - either outcome is right
