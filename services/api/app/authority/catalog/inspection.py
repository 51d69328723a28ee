"""Reads what a model directory says about itself: headers and configuration, never the weights."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from app.authority.catalog import card, gguf
from app.authority.catalog.config import MAX_JSON_BYTES, PATH, parse_config
from app.authority.catalog.gguf_files import licence_of, only_set, opened_model, shape_of
from app.authority.catalog.kinds import MAGIC_BYTES, Kind, check_magic, is_hidden, kind_of
from app.authority.catalog.safetensors import LENGTH_BYTES, Header, header_length, parse_header
from app.authority.catalog.shapes import model_shape
from app.authority.catalog.shards import INDEX, check_index
from app.authority.catalog.tree import Found, Tree, read_exactly, refuse
from app.domain.refusals import IntakeRefused
from app.domain.shapes import ModelShape

# The files that the engine loads weights from.
LOADED = "model*.safetensors"
MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Inspected:
    """What may be taken from a directory, what is left out, and the shape of the model.

    `licence`: what its author says in the model's own header or in the card beside it.
    """

    taken: tuple[Found, ...]
    left_out: tuple[str, ...]
    shape: ModelShape
    licence: str = ""


def inspect_directory(directory: Path) -> ModelShape:
    """The shape of the model in `directory`, or of a GGUF file, in milliseconds.

    Raises IntakeRefused.
    """
    with opened_model(directory) as tree:
        return inspect(tree).shape


def inspect(tree: Tree) -> Inspected:
    """Check every file of the tree as far as that needs no reading of weights."""
    kinds = _kinds(tree.files())
    taken = tuple(file for file, kind in kinds.items() if kind.taken)
    left_out = tuple(file.path for file, kind in kinds.items() if kind is Kind.LEFT_OUT)
    by_kind = {kind: [f.path for f in taken if kinds[f] is kind] for kind in Kind}
    _check_others(tree, kinds)
    licence = ""
    if by_kind[Kind.GGUF]:
        headers = _gguf_headers(tree, by_kind)
        shape, licence = shape_of(headers), licence_of(headers)
    else:
        shape = _safetensors_shape(tree, by_kind[Kind.WEIGHTS], {f.path: f.size for f in taken})
    return Inspected(taken, left_out, shape, licence or _card_says(tree, left_out))


def _card_says(tree: Tree, left_out: tuple[str, ...]) -> str:
    """A card is no part of a model: one that cannot be read says nothing, and is no reason to
    refuse the model."""
    if card.NAME not in left_out:
        return ""
    try:
        with tree.open(card.NAME) as descriptor:
            return card.licence_of(read_exactly(descriptor, card.MOST_BYTES, 0))
    except (IntakeRefused, OSError):
        return ""


def _kinds(files: list[Found]) -> dict[Found, Kind]:
    names = {file.path for file in files}
    return {f: Kind.LEFT_OUT if is_hidden(f.path, names) else kind_of(f.path) for f in files}


def _gguf_headers(tree: Tree, by_kind: Mapping[Kind, list[str]]) -> dict[str, gguf.Header]:
    """A configuration beside it is not needed; one that asks for code is refused all the same."""
    where = str(tree.directory)
    if by_kind[Kind.WEIGHTS]:
        refuse(where, "holds a model in safetensors and one in GGUF; import the GGUF by its file")
    if PATH in by_kind[Kind.JSON]:
        parse_config(tree.read(PATH, limit=MAX_CONFIG_BYTES))
    headers = {}
    for path in only_set(by_kind[Kind.GGUF], where):
        with tree.open(path) as descriptor:
            headers[path] = read_gguf(descriptor, path=path)
    return headers


def _safetensors_shape(tree: Tree, weights: list[str], sizes: Mapping[str, int]) -> ModelShape:
    if PATH not in sizes:
        refuse(str(tree.directory), "holds no config.json, so it is not a model's directory")
    config = parse_config(tree.read(PATH, limit=MAX_CONFIG_BYTES))
    headers = {}
    for path in weights:
        with tree.open(path) as descriptor:
            headers[path] = read_header(descriptor, path=path)
    if INDEX in sizes:
        check_index(tree.read(INDEX, limit=MAX_JSON_BYTES), headers)
    loaded = [header for path, header in headers.items() if fnmatchcase(path, LOADED)]
    if not loaded:
        refuse(str(tree.directory), f"holds no {LOADED}, so there are no weights to load")
    tensors = [tensor for header in loaded for tensor in header.tensors]
    tokenizer_bytes = sizes.get("tokenizer.json") or sizes.get("tokenizer.model", 0)
    return model_shape(config, tensors, tokenizer_bytes=tokenizer_bytes, files=sizes)


def _check_others(tree: Tree, kinds: Mapping[Found, Kind]) -> None:
    """Files that hold no weights are what their names say."""
    for file, kind in kinds.items():
        if kind.taken and kind not in {Kind.WEIGHTS, Kind.GGUF}:
            with tree.open(file.path) as descriptor:
                check_magic(file.path, read_exactly(descriptor, MAGIC_BYTES, 0), kind)


def read_header(descriptor: int, *, path: str) -> Header:
    """The checked header of an open safetensors file."""
    size = os.fstat(descriptor).st_size
    length = header_length(read_exactly(descriptor, LENGTH_BYTES, 0), file_size=size, path=path)
    text = read_exactly(descriptor, length, LENGTH_BYTES)
    return parse_header(text, file_size=size, path=path)


def read_gguf(descriptor: int, *, path: str) -> gguf.Header:
    """The checked header of an open GGUF file."""
    size = os.fstat(descriptor).st_size
    return gguf.read_header(
        lambda count, offset: read_exactly(descriptor, count, offset), file_size=size, path=path
    )
