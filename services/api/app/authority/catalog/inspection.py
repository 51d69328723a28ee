"""Reads what a model directory says about itself: headers and configuration, never the weights."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from app.authority.catalog.config import MAX_JSON_BYTES, PATH, parse_config
from app.authority.catalog.kinds import MAGIC_BYTES, Kind, check_magic, kind_of
from app.authority.catalog.safetensors import LENGTH_BYTES, Header, header_length, parse_header
from app.authority.catalog.shapes import model_shape
from app.authority.catalog.shards import INDEX, check_index
from app.authority.catalog.tree import Found, Tree, opened, read_exactly, refuse
from app.domain.shapes import ModelShape

# The files that the engine loads weights from.
LOADED = "model*.safetensors"
MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Inspected:
    """What may be taken from a directory, what is left out, and the shape of the model."""

    taken: tuple[Found, ...]
    left_out: tuple[str, ...]
    shape: ModelShape


def inspect_directory(directory: Path) -> ModelShape:
    """The shape of the model in `directory`, in milliseconds. Raises IntakeRefused."""
    with opened(directory) as tree:
        return inspect(tree).shape


def inspect(tree: Tree) -> Inspected:
    """Check every file of the tree as far as that needs no reading of weights."""
    kinds = {file: kind_of(file.path) for file in tree.files()}
    taken = tuple(file for file, kind in kinds.items() if kind.taken)
    left_out = tuple(file.path for file, kind in kinds.items() if kind is Kind.LEFT_OUT)
    sizes = {file.path: file.size for file in taken}
    if PATH not in sizes:
        refuse(str(tree.directory), "holds no config.json, so it is not a model's directory")
    config = parse_config(tree.read(PATH, limit=MAX_CONFIG_BYTES))
    headers = _headers(tree, kinds)
    if INDEX in sizes:
        check_index(tree.read(INDEX, limit=MAX_JSON_BYTES), headers)
    loaded = [header for path, header in headers.items() if fnmatchcase(path, LOADED)]
    if not loaded:
        refuse(str(tree.directory), f"holds no {LOADED}, so there are no weights to load")
    tensors = [tensor for header in loaded for tensor in header.tensors]
    tokenizer_bytes = sizes.get("tokenizer.json") or sizes.get("tokenizer.model", 0)
    shape = model_shape(config, tensors, tokenizer_bytes=tokenizer_bytes)
    return Inspected(taken, left_out, shape)


def _headers(tree: Tree, kinds: Mapping[Found, Kind]) -> dict[str, Header]:
    headers = {}
    for file, kind in kinds.items():
        if not kind.taken:
            continue
        with tree.open(file.path) as descriptor:
            if kind is Kind.WEIGHTS:
                headers[file.path] = read_header(descriptor, path=file.path)
            else:
                check_magic(file.path, read_exactly(descriptor, MAGIC_BYTES, 0), kind)
    return headers


def read_header(descriptor: int, *, path: str) -> Header:
    """The checked header of an open safetensors file."""
    size = os.fstat(descriptor).st_size
    length = header_length(read_exactly(descriptor, LENGTH_BYTES, 0), file_size=size, path=path)
    text = read_exactly(descriptor, length, LENGTH_BYTES)
    return parse_header(text, file_size=size, path=path)
