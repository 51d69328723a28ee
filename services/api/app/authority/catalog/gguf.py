"""The only reader of GGUF headers: strict, bounded, and blind to the tensors' bytes.

A file is `magic | version | counts | metadata | descriptions of tensors | padding | tensors`, all
little endian. Nothing is allocated because a file claims a size: what it claims is compared with
the bytes that are there before they are read. Each tensor lies where the one before it ends,
padded, as llama.cpp wants it, and the file ends with the last one.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.authority.catalog.tree import refuse

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
MAX_METADATA_BYTES: Final = 64 << 20
"""Of everything before the tensors. Vocabularies of 250,000 tokens with merges take 15 MB."""
MAX_TENSORS: Final = 100_000
MAX_KEYS: Final = 4096
MAX_KEY_BYTES: Final = 256
MAX_NAME_BYTES: Final = 63
"""Of a tensor: llama.cpp copies names into 64 bytes."""
MAX_DIMENSIONS: Final = 4
MAX_BYTES: Final = 1 << 62
MAX_ALIGNMENT: Final = 1 << 16
DEFAULT_ALIGNMENT: Final = 32
MAX_NUMBERS: Final = 4096
"""Numbers of a list that are kept: there may be one for each layer."""
MAX_TEXT_BYTES: Final = 4 << 20
MAX_TEXTS: Final = 1 << 22
"""Of a list: tokens, merges."""

_FIRST_READ: Final = 256 << 10
_LENGTH: Final = struct.Struct("<Q")
_COUNTS: Final = struct.Struct("<4sIQQ")
_BOOL, _STRING, _ARRAY = 7, 8, 9
_NUMBERS: Final[Mapping[int, struct.Struct]] = {
    kind: struct.Struct(f"<{code}")
    for kind, code in {
        0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", _BOOL: "B", 10: "Q", 11: "q",
        12: "d",
    }.items()
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantization:
    """How numbers are kept: in blocks of so many, which take so many bytes."""

    name: str
    block: int
    bytes: int


# By ggml's number of the type.
TYPES: Final[Mapping[int, Quantization]] = {
    number: Quantization(name, block, size)
    for number, name, block, size in (
        (0, "F32", 1, 4),
        (1, "F16", 1, 2),
        (2, "Q4_0", 32, 18),
        (3, "Q4_1", 32, 20),
        (6, "Q5_0", 32, 22),
        (7, "Q5_1", 32, 24),
        (8, "Q8_0", 32, 34),
        (10, "Q2_K", 256, 84),
        (11, "Q3_K", 256, 110),
        (12, "Q4_K", 256, 144),
        (13, "Q5_K", 256, 176),
        (14, "Q6_K", 256, 210),
        (16, "IQ2_XXS", 256, 66),
        (17, "IQ2_XS", 256, 74),
        (18, "IQ3_XXS", 256, 98),
        (19, "IQ1_S", 256, 50),
        (20, "IQ4_NL", 32, 18),
        (21, "IQ3_S", 256, 110),
        (22, "IQ2_S", 256, 82),
        (23, "IQ4_XS", 256, 136),
        (24, "I8", 1, 1),
        (25, "I16", 1, 2),
        (26, "I32", 1, 4),
        (27, "I64", 1, 8),
        (28, "F64", 1, 8),
        (29, "IQ1_M", 256, 56),
        (30, "BF16", 1, 2),
        (34, "TQ1_0", 256, 54),
        (35, "TQ2_0", 256, 66),
        (39, "MXFP4", 32, 17),
    )
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One description. `begin` counts from the first byte of the tensors."""

    name: str
    kind: Quantization
    shape: tuple[int, ...]
    begin: int

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        return self.elements // self.kind.block * self.kind.bytes


@dataclass(frozen=True, slots=True)
class Array:
    """A list in the metadata. `numbers` are kept of short lists of numbers, else they are empty."""

    count: int
    numbers: tuple[int | float, ...] = ()


Value = int | float | bool | str | Array


@dataclass(frozen=True, slots=True)
class Header:
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data_start: int


Read = Callable[[int, int], bytes]
"""Bytes of a file by count and offset: less only where it ends."""


def read_header(read: Read, *, file_size: int, path: str) -> Header:
    """Check all that comes before the tensors of a file. Raises IntakeRefused."""
    if file_size < _COUNTS.size:
        refuse(path, f"is only {file_size} bytes long, too short for a header; get it again")
    cursor = _Cursor(read, file_size, path)
    magic, version, tensor_count, key_count = _COUNTS.unpack(cursor.take(_COUNTS.size))
    _check_start(magic, version, path)
    if key_count > MAX_KEYS:
        refuse(path, f"claims {key_count} metadata entries; at most {MAX_KEYS} are read")
    if tensor_count > MAX_TENSORS:
        refuse(path, f"claims {tensor_count} tensors; at most {MAX_TENSORS} are read")
    metadata: dict[str, Value] = {}
    for _ in range(key_count):
        key = cursor.key()
        if key in metadata:
            refuse(path, f"names {key!r} twice in its metadata")
        metadata[key] = cursor.value(cursor.number(4), key)
    alignment = _alignment(metadata, path)
    tensors = tuple(_tensor(cursor) for _ in range(tensor_count))
    data_start = _padded(cursor.at, alignment)
    end, padded = _check_layout(tensors, alignment, path)
    last = data_start + end if tensors else cursor.at
    _check_size(file_size, {last, data_start + padded}, path)
    return Header(metadata, tensors, data_start)


class _Cursor:
    """Where a file is read, and how far. What is read is kept: it is bounded."""

    def __init__(self, read: Read, file_size: int, path: str) -> None:
        self.path = path
        self.at = 0
        self._read = read
        self._size = file_size
        self._held = bytearray()

    def take(self, count: int) -> bytes:
        begin = self.skip(count)
        return bytes(self._held[begin : begin + count])

    def skip(self, count: int) -> int:
        """Go on by `count` bytes that are there; returns where they begin."""
        begin, end = self.at, self.at + count
        if end > self._size:
            refuse(
                self.path,
                f"claims {count} bytes at {begin} but ends after {self._size}; it is truncated or "
                "not GGUF, get it again",
            )
        if end > MAX_METADATA_BYTES:
            refuse(self.path, f"claims more than {MAX_METADATA_BYTES} bytes of metadata")
        if end > len(self._held):
            self._read_on(end)
        self.at = end
        return begin

    def number(self, kind: int) -> int:
        (found,) = _NUMBERS[kind].unpack(self.take(_NUMBERS[kind].size))
        return int(found)

    def text(self, limit: int, what: str) -> str:
        """A name: short and of visible ASCII, so that it can be shown and looked up."""
        length = self.number(10)
        if not 0 < length <= limit:
            refuse(self.path, f"has {what} of {length} bytes; 1 to {limit} are read")
        raw = self.take(length)
        if not raw.isascii() or not raw.decode("ascii").isprintable():
            refuse(self.path, f"has {what} that is not visible ASCII: {raw[:40]!r}")
        return raw.decode("ascii")

    def key(self) -> str:
        return self.text(MAX_KEY_BYTES, "a metadata key")

    def value(self, kind: int, key: str) -> Value:
        if kind == _STRING:
            return self._text_value(key)
        if kind == _ARRAY:
            return self._array(self.number(4), self.number(10), key)
        found = self._numbers(kind, 1, key)[0]
        return bool(found) if kind == _BOOL else found

    def _array(self, kind: int, count: int, key: str) -> Array:
        if kind == _ARRAY:
            refuse(self.path, f"has a list of lists in {key!r}, which no loader reads")
        if kind == _STRING:
            return self._texts(count, key)
        if count > MAX_NUMBERS and kind in _NUMBERS:
            self.skip(count * _NUMBERS[kind].size)
            return Array(count)
        return Array(count, self._numbers(kind, count, key))

    def _text_value(self, key: str) -> str:
        length = self.number(10)
        if length > MAX_TEXT_BYTES:
            refuse(self.path, f"has {key!r} of {length} bytes; at most {MAX_TEXT_BYTES} are read")
        return self.take(length).decode("utf-8", errors="replace")

    def _texts(self, count: int, key: str) -> Array:
        if count > MAX_TEXTS:
            refuse(self.path, f"claims {count} texts in {key!r}; at most {MAX_TEXTS} are read")
        for _ in range(count):
            (length,) = _LENGTH.unpack_from(self._held, self.skip(_LENGTH.size))
            self.skip(length)
        return Array(count)

    def _numbers(self, kind: int, count: int, key: str) -> tuple[int | float, ...]:
        if kind not in _NUMBERS:
            refuse(self.path, f"has {key!r} of the unknown kind {kind}")
        found = tuple(n for (n,) in _NUMBERS[kind].iter_unpack(self.take(count * _size(kind))))
        if kind == _BOOL and any(n > 1 for n in found):
            refuse(self.path, f"has {key!r}, which is neither true nor false")
        return found

    def _read_on(self, end: int) -> None:
        """Read in steps that double, so that few reads do, and nothing far beyond is read."""
        wanted = max(end, 2 * len(self._held), _FIRST_READ)
        wanted = min(wanted, self._size, MAX_METADATA_BYTES)
        self._held += self._read(wanted - len(self._held), len(self._held))
        if len(self._held) < end:
            refuse(self.path, "became shorter while it was read; let it come to rest")


def _size(kind: int) -> int:
    return _NUMBERS[kind].size


def _check_start(magic: bytes, version: int, path: str) -> None:
    if magic != MAGIC:
        refuse(path, "does not start with GGUF, so it is no such file; get it again")
    if version in VERSIONS:
        return
    if version & 0xFFFF == 0:
        refuse(path, "is big endian, which this release cannot load; get a little endian one")
    refuse(path, f"is of GGUF version {version}; versions 2 and 3 are read. Convert it again")


def _alignment(metadata: Mapping[str, Value], path: str) -> int:
    found = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(found) is not int or not 8 <= found <= MAX_ALIGNMENT or found & (found - 1):
        refuse(
            path, f"says its alignment is {str(found)[:40]}; it must be a power of two from 8 on"
        )
    return found


def _tensor(cursor: _Cursor) -> Tensor:
    name = cursor.text(MAX_NAME_BYTES, "a tensor's name")
    count = cursor.number(4)
    if not 1 <= count <= MAX_DIMENSIONS:
        refuse(cursor.path, f"has tensor {name!r} of {count} dimensions; 1 to 4 are possible")
    shape = tuple(cursor.number(10) for _ in range(count))
    number, begin = cursor.number(4), cursor.number(10)
    kind = TYPES.get(number)
    if kind is None:
        refuse(cursor.path, f"has tensor {name!r} of the unknown type {number}")
    if not all(0 < n <= MAX_BYTES for n in shape) or math.prod(shape) * kind.bytes > MAX_BYTES:
        refuse(cursor.path, f"has tensor {name!r} of the impossible shape {str(shape)[:80]}")
    if shape[0] % kind.block:
        refuse(
            cursor.path,
            f"has tensor {name!r} with rows of {shape[0]} numbers, which {kind.name} cannot hold: "
            f"it takes {kind.block} at a time",
        )
    return Tensor(name, kind, shape, begin)


def _padded(at: int, alignment: int) -> int:
    return (at + alignment - 1) // alignment * alignment


def _check_layout(tensors: tuple[Tensor, ...], alignment: int, path: str) -> tuple[int, int]:
    """Where the last tensor ends, and where its padding does."""
    at, end = 0, 0
    names: set[str] = set()
    for tensor in tensors:
        if tensor.name in names:
            refuse(path, f"names tensor {tensor.name!r} twice")
        names.add(tensor.name)
        if tensor.begin != at:
            refuse(
                path,
                f"has tensor {tensor.name!r} at offset {tensor.begin}; the one before it ends, "
                f"padded, at {at}",
            )
        end = at + tensor.size
        at = _padded(end, alignment)
    return end, at


def _check_size(file_size: int, allowed: set[int], path: str) -> None:
    """Some converters leave out what pads the end; nothing else may differ."""
    if file_size < min(allowed):
        missing = min(allowed) - file_size
        refuse(path, f"lacks {missing} bytes of its tensors; it is truncated, get it again")
    if file_size not in allowed:
        refuse(path, f"has {file_size - min(allowed)} bytes at its end that no tensor owns")
