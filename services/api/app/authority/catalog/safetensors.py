"""The only reader of safetensors headers: strict, bounded, and blind to the tensors' bytes.

A file is `length (8 bytes, little endian) | JSON header | tensors`. Whatever the header leaves
open, this reader closes: no hole, no overlap, no byte that no tensor owns, no name twice.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from app.domain.refusals import IntakeRefused

LENGTH_BYTES = 8
# The format allows 100 MB. Headers of the largest models in use stay below 15 MB.
MAX_HEADER_BYTES = 32 << 20
MAX_TENSORS = 500_000
MAX_DIMENSIONS = 16
MAX_BYTES = 1 << 62

DTYPE_BYTES: Mapping[str, int] = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
    "U16": 2,
    "I16": 2,
    "F16": 2,
    "BF16": 2,
    "U32": 4,
    "I32": 4,
    "F32": 4,
    "U64": 8,
    "I64": 8,
    "F64": 8,
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of a header. `begin` and `end` count from the first byte after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Header:
    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    data_start: int


def header_length(first: bytes, *, file_size: int, path: str) -> int:
    """Length of the JSON header, from the file's first eight bytes."""
    if file_size == 0:
        _refuse(path, "is empty; copy or download it again")
    if file_size < LENGTH_BYTES or len(first) < LENGTH_BYTES:
        _refuse(path, f"is only {file_size} bytes long, too short for a header; get it again")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    if length < 2:
        _refuse(path, f"claims a header of {length} bytes, which cannot hold one")
    if length > MAX_HEADER_BYTES:
        _refuse(path, f"claims a header of {length} bytes; at most {MAX_HEADER_BYTES} are read")
    if length > file_size - LENGTH_BYTES:
        _refuse(
            path,
            f"claims a header of {length} bytes but ends after {file_size}; "
            "it is truncated or not safetensors, get it again",
        )
    return length


def parse_header(text: bytes, *, file_size: int, path: str) -> Header:
    """Check the JSON header `text` of a file of `file_size` bytes. Raises IntakeRefused."""
    entries = _json_object(text, path)
    metadata = _metadata(entries.pop("__metadata__", {}), path)
    if len(entries) > MAX_TENSORS:
        _refuse(path, f"names {len(entries)} tensors; at most {MAX_TENSORS} are read")
    tensors = [_tensor(name, entry, path) for name, entry in entries.items()]
    tensors.sort(key=lambda t: (t.begin, t.end))
    data_start = LENGTH_BYTES + len(text)
    _check_layout(tensors, file_size - data_start, path)
    return Header(tuple(tensors), metadata, data_start)


def _json_object(text: bytes, path: str) -> dict[str, Any]:
    if text[:1] != b"{":
        _refuse(path, "has a header that does not start with '{', so it is not safetensors")
    try:
        entries = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=lambda pairs: _unique(pairs, path),
            parse_constant=lambda name: _refuse(path, f"has {name} in its header"),
        )
    except UnicodeDecodeError:
        _refuse(path, "has a header that is not UTF-8")
    except RecursionError:
        _refuse(path, "has a header that is nested too deeply")
    except ValueError as error:
        _refuse(path, f"has a header that is not JSON ({error})")
    if not isinstance(entries, dict):
        _refuse(path, "has a header that is not a JSON object")
    return entries


def _unique(pairs: list[tuple[str, Any]], path: str) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        _refuse(path, f"names {twice[0]!r} twice in its header")
    return entries


def _metadata(value: object, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        _refuse(path, "has a __metadata__ that is not an object of strings")
    return value


def _tensor(name: str, entry: object, path: str) -> Tensor:
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"describes tensor {name!r} by something else than dtype, shape and offsets")
    dtype, shape = entry["dtype"], entry["shape"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        _refuse(path, f"has tensor {name!r} of the unknown dtype {dtype!r}")
    if not _counts(shape) or len(shape) > MAX_DIMENSIONS:
        _refuse(path, f"has tensor {name!r} of the impossible shape {str(shape)[:80]}")
    offsets = entry["data_offsets"]
    if not _counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        _refuse(path, f"has tensor {name!r} at the impossible offsets {str(offsets)[:80]}")
    size = math.prod(shape) * DTYPE_BYTES[dtype]
    if size > MAX_BYTES:
        _refuse(path, f"has tensor {name!r} of a shape that overflows")
    if size != offsets[1] - offsets[0]:
        _refuse(
            path,
            f"has tensor {name!r} whose shape needs {size} bytes but whose offsets "
            f"span {offsets[1] - offsets[0]}",
        )
    return Tensor(name, dtype, tuple(shape), offsets[0], offsets[1])


def _counts(value: object) -> bool:
    # bool is an int in Python, but `true` is no dimension.
    return isinstance(value, list) and all(type(n) is int and 0 <= n <= MAX_BYTES for n in value)


def _check_layout(tensors: list[Tensor], data_bytes: int, path: str) -> None:
    at = 0
    for tensor in tensors:
        if tensor.end > data_bytes:
            _refuse(
                path,
                f"has tensor {tensor.name!r} ending {tensor.end - data_bytes} bytes after the "
                "end of the file; it is truncated, get it again",
            )
        if tensor.begin < at:
            _refuse(path, f"has tensor {tensor.name!r} overlapping the one before it")
        if tensor.begin > at:
            gap = tensor.begin - at
            _refuse(path, f"has {gap} bytes before {tensor.name!r} that no tensor owns")
        at = tensor.end
    if at != data_bytes:
        _refuse(path, f"has {data_bytes - at} bytes at its end that no tensor owns")


def _refuse(path: str, why: str) -> NoReturn:
    raise IntakeRefused(f"{path} {why}.", details={"path": path})
