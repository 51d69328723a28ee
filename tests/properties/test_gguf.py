"""The strict GGUF reader: any cut, any changed byte and any hostile claim ends in a refusal or in a
file that is as good as before, soon and in little memory."""

import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.catalog.gguf import Header, read_header
from app.domain.refusals import IntakeRefused
from tests.gguf_bytes import ARRAY, LLAMA, STRING, Raw, T, array, gguf

RIGHT = gguf(tensors=(T("a", (32, 2), 2), T("token_embd.weight", (64, 4)), T("b", (3,), 1)))


def read(file: bytes) -> Header:
    return read_header(lambda n, at: file[at : at + n], file_size=len(file), path="f")


@given(
    st.dictionaries(
        st.text("abc._", min_size=1, max_size=9),
        st.one_of(st.integers(0, 2**32 - 1), st.booleans(), st.text(max_size=9)),
    ),
    st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=4), max_size=5),
    st.sampled_from([8, 16, 32, 4096]),
)
def test_a_right_file_is_read_and_every_byte_has_an_owner(
    metadata: dict[str, object], shapes: list[list[int]], alignment: int
) -> None:
    tensors = [T(f"t{n}", tuple(shape)) for n, shape in enumerate(shapes)]
    whole = {**metadata, "general.alignment": alignment}
    found = read(gguf(whole, tensors, alignment=alignment))
    assert {k: found.metadata[k] for k in whole} == whole
    assert [(t.name, t.shape) for t in found.tensors] == [(t.name, t.shape) for t in tensors]
    assert found.data_start % alignment == 0


def test_a_file_cut_anywhere_is_refused() -> None:
    padding = 26  # of the last tensor, which some converters leave out
    for cut in range(len(RIGHT)):
        if cut == len(RIGHT) - padding:
            assert read(RIGHT[:cut]) == read(RIGHT)
            continue
        with pytest.raises(IntakeRefused):
            read(RIGHT[:cut])


@given(st.integers(0, len(RIGHT) - 1), st.integers(1, 255))
def test_a_changed_byte_never_breaks_the_reader(at: int, change: int) -> None:
    broken = bytearray(RIGHT)
    broken[at] ^= change
    try:
        found = read(bytes(broken))
    except IntakeRefused:
        return
    assert sum(t.size for t in found.tensors) <= len(RIGHT) - found.data_start


@given(st.binary(max_size=400))
def test_noise_after_a_right_start_never_breaks_the_reader(noise: bytes) -> None:
    with pytest.raises(IntakeRefused):
        read(struct.pack("<4sIQQ", b"GGUF", 3, 3, 3) + noise)


@given(st.binary(min_size=1, max_size=40))
def test_bytes_after_the_last_tensor_are_refused(more: bytes) -> None:
    with pytest.raises(IntakeRefused, match="no tensor owns"):
        read(RIGHT + more)


HUGE = (2**31, 2**32 - 1, 2**61, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@pytest.mark.parametrize("claimed", HUGE)
@pytest.mark.parametrize(
    "make",
    [
        lambda n: gguf(tensor_count=n),
        lambda n: gguf(key_count=n),
        lambda n: gguf([(b"k", Raw(STRING, struct.pack("<Q", n)))]),
        lambda n: struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, n) + bytes(100),
        lambda n: gguf({"k": Raw(ARRAY, struct.pack("<IQ", 4, n))}),
        lambda n: gguf({"k": Raw(ARRAY, struct.pack("<IQ", 7, n))}),
        lambda n: gguf({"k": Raw(ARRAY, struct.pack("<IQ", STRING, n))}),
        lambda n: gguf({"k": Raw(ARRAY, struct.pack("<IQ", ARRAY, n))}),
        lambda n: gguf({"k": Raw(ARRAY, struct.pack("<IQQ", STRING, 1, n))}),
        lambda n: gguf(tensors=[T("t", (n,), size=32)], data=bytes(32)),
        lambda n: gguf(tensors=[T("t", (n, n), size=32)], data=bytes(32)),
        lambda n: gguf(tensors=[T("t", (32, n, 2, n), 2, size=32)], data=bytes(32)),
        lambda n: gguf(tensors=[T("t", (8,)), T("u", (8,), begin=n)]),
    ],
)
def test_a_claimed_size_allocates_nothing(make: object, claimed: int) -> None:
    file = make(claimed)  # type: ignore[operator]
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(IntakeRefused):
        read(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert time.monotonic() - began < 30  # counting to 2**31 takes minutes


def test_the_most_texts_that_are_read_take_seconds_and_not_hours() -> None:
    file = gguf([("k", array(STRING, [])), *({"x": "y"}.items())])
    texts = Raw(ARRAY, struct.pack("<IQ", STRING, 1 << 20) + bytes(8 << 20))
    began = time.monotonic()
    assert read(gguf({**LLAMA, "many": texts})).metadata["many"].count == 1 << 20  # type: ignore[union-attr]
    assert time.monotonic() - began < 60
    assert read(file).metadata["x"] == "y"
