"""Every fault that a model's directory can have: one fixture each, one clear sentence each."""

import json
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog.inspection import inspect_directory
from app.domain.refusals import IntakeRefused
from tests.model_files import CONFIG, entry, good_model, safetensors, weights

Plant = Callable[[Path], object]
INDEX = "model.safetensors.index.json"


def weight_file(content: bytes) -> Plant:
    return lambda d: (d / "model.safetensors").write_bytes(content)


def header(fields: Any, data: bytes = b"") -> Plant:
    return weight_file(safetensors(fields, data))


def config(**changes: Any) -> Plant:
    kept = {k: v for k, v in {**CONFIG, **changes}.items() if v is not ...}
    return lambda d: (d / "config.json").write_text(json.dumps(kept))


def config_text(text: str | bytes) -> Plant:
    raw = text if isinstance(text, bytes) else text.encode()
    return lambda d: (d / "config.json").write_bytes(raw)


def file(name: str, content: bytes = b"{}") -> Plant:
    def plant(directory: Path) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return plant


def link(name: str, target: str) -> Plant:
    return lambda d: (d / name).symlink_to(target)


def replaced_by_link(name: str, target: str) -> Plant:
    return lambda d: ((d / name).unlink(), (d / name).symlink_to(target))


def sharded(index: Any, *shards: str) -> Plant:
    def plant(directory: Path) -> None:
        (directory / "model.safetensors").unlink()
        for shard in shards:
            (directory / shard).write_bytes(weights(f"model.{shard}.norm"))
        text = index if isinstance(index, bytes) else json.dumps(index).encode()
        (directory / INDEX).write_bytes(text)

    return plant


def length_claimed(length: int) -> Plant:
    return weight_file(struct.pack("<Q", length) + b"{}")


A, B = "model-1.safetensors", "model-2.safetensors"
DEEP = b"[" * 100_000 + b"]" * 100_000

HEADERS: dict[str, tuple[Plant, str]] = {
    "empty file": (weight_file(b""), "is empty"),
    "seven bytes": (weight_file(b"1234567"), "only 7 bytes long"),
    "length of zero": (length_claimed(0), "header of 0 bytes"),
    "length beyond the file": (length_claimed(1000), "truncated or not safetensors"),
    "length of 100 GB": (length_claimed(10**11), "at most 33554432 are read"),
    "length with the sign bit": (length_claimed(2**63), "at most"),
    "html page": (weight_file(b"<!DOCTYPE html><html>Not found</html>"), "at most"),
    "not an object": (header(b"[1,2]"), "does not start with"),
    "leading space": (header(b" {}"), "does not start with"),
    "not utf-8": (header(b'{"\xff":1}'), "not UTF-8"),
    "not json": (header(b'{"a":'), "not JSON"),
    "nested too deeply": (header(b'{"a":' + DEEP + b"}"), "nested too deeply"),
    "nan": (header(b'{"a":NaN}'), "NaN"),
    "enormous number": (header(b'{"a":' + b"9" * 5000 + b"}"), "not JSON"),
    "duplicate tensor": (header(b'{"a":{},"a":{}}'), "'a' twice"),
    "duplicate field": (header(b'{"a":{"dtype":"U8","dtype":"I8"}}'), "'dtype' twice"),
    "metadata of numbers": (header({"__metadata__": {"a": 1}}), "__metadata__"),
    "metadata a list": (header({"__metadata__": []}), "__metadata__"),
    "tensor not an object": (header({"a": 3}), "something else than"),
    "missing dtype": (header({"a": {"shape": [], "data_offsets": [0, 1]}}), "something else"),
    "further field": (header({"a": {**entry(0, 1), "x": 1}}, b"1"), "something else"),
    "unknown dtype": (header({"a": entry(0, 1, dtype="Q4")}, b"1"), "unknown dtype 'Q4'"),
    "dtype a list": (header({"a": {**entry(0, 1), "dtype": []}}, b"1"), "unknown dtype"),
    "negative dimension": (header({"a": entry(0, 1, shape=[-1])}, b"1"), "impossible shape"),
    "dimension a float": (header({"a": {**entry(0, 1), "shape": [1.0]}}, b"1"), "shape"),
    "dimension true": (header({"a": {**entry(0, 1), "shape": [True]}}, b"1"), "shape"),
    "shape that overflows": (header({"a": entry(0, 1, shape=[2**40, 2**40])}, b"1"), "overflows"),
    "too many dimensions": (header({"a": entry(0, 1, shape=[1] * 17)}, b"1"), "shape"),
    "shape larger than span": (header({"a": entry(0, 1, shape=[2])}, b"1"), "needs 2 bytes"),
    "offsets backwards": (header({"a": {**entry(0, 1), "data_offsets": [1, 0]}}), "offsets"),
    "three offsets": (header({"a": {**entry(0, 1), "data_offsets": [0, 1, 2]}}), "offsets"),
    "negative offset": (header({"a": {**entry(0, 1), "data_offsets": [-1, 0]}}), "offsets"),
    "offsets past the end": (header({"a": entry(0, 9)}, b"1"), "8 bytes after the end"),
    "overlap": (header({"a": entry(0, 2), "b": entry(1, 3)}, b"123"), "overlapping"),
    "same bytes twice": (header({"a": entry(0, 2), "b": entry(0, 2)}, b"12"), "overlapping"),
    "hole": (header({"a": entry(0, 1), "b": entry(2, 3)}, b"123"), "1 bytes before 'b'"),
    "hole at the start": (header({"a": entry(1, 2)}, b"12"), "1 bytes before 'a'"),
    "trailing bytes": (header({"a": entry(0, 1)}, b"12"), "1 bytes at its end"),
}  # fmt: skip

CONFIGS: dict[str, tuple[Plant, str]] = {
    "no config": (lambda d: (d / "config.json").unlink(), "no config.json"),
    "empty config": (config_text(""), "not JSON"),
    "config not json": (config_text("model_type: llama"), "not JSON"),
    "config a list": (config_text("[]"), "not a JSON object"),
    "config not utf-8": (config_text(b'{"a":"\xff"}'), "not JSON"),
    "config nested too deeply": (config_text(b'{"a":' + DEEP + b"}"), "nested too deeply"),
    "config of two megabytes": (config_text('{"a":"' + "x" * (2 << 20) + '"}'), "at most"),
    "no model type": (config(model_type=...), "model_type"),
    "model type a number": (config(model_type=5), "model_type"),
    "no hidden size": (config(hidden_size=...), "does not say hidden_size"),
    "hidden size of zero": (config(hidden_size=0), "from 1 to"),
    "negative layers": (config(num_hidden_layers=-1), "whole number from 1"),
    "layers a float": (config(num_hidden_layers=2.5), "whole number"),
    "layers true": (config(num_hidden_layers=True), "whole number"),
    "heads a word": (config(num_attention_heads="many"), "whole number"),
    "absurd layers": (config(num_hidden_layers=10**9), "from 1 to 4096"),
    "absurd context": (config(max_position_embeddings=10**12), "from 1 to"),
    "no vocabulary": (config(vocab_size=...), "vocab_size"),
    "more kv heads than heads": (config(num_key_value_heads=8), "8 key-value heads"),
    "layer types for other layers": (config(layer_types=["full_attention"]), "1 layer types"),
    "layer types a word": (config(layer_types="full"), "not a list"),
    "sliding without a window": (config(layer_types=["sliding_attention"] * 2), "sliding_window"),
    "auto_map": (config(auto_map={"AutoModel": "modeling.Mine"}), r"code .*auto_map"),
    "auto_map nested": (config(text_config={"auto_map": {"A": "b.C"}}), r"code .*auto_map"),
    "model_file": (config(model_file="mine.py"), r"code .*model_file"),
}  # fmt: skip

FILES: dict[str, tuple[Plant, str]] = {
    "no weights": (lambda d: (d / "model.safetensors").unlink(), "no weights"),
    "only other weights": (
        lambda d: (d / "model.safetensors").rename(d / "adapters.safetensors"), "no weights",
    ),
    "link out of the directory": (replaced_by_link("config.json", "/etc/hostname"), "is a link"),
    "link inside": (link("other.json", "config.json"), "is a link"),
    "dangling link": (link("notes.txt", "nowhere"), "is a link"),
    "link to a directory": (link("more", "/etc"), "is a link"),
    "pipe": (lambda d: os.mkfifo(d / "vocab.json"), "pipe"),
    "pickle": (file("pytorch_model.bin"), "pickle"),
    "pickle of torch": (file("model.pt"), "pickle"),
    "pickle deeper down": (file("old/consolidated.00.pth"), "pickle"),
    "pickle under another name": (file("vocab.json", b"\x80\x04\x95junk."), "pickle"),
    "zip under another name": (file("merges.txt", b"PK\x03\x04junk"), "pickle"),
    "python": (file("modeling_mine.py"), "is code"),
    "shared library": (file("kernel.so"), "is code"),
    "program under another name": (file("tokenizer.model", b"\x7fELF\x02"), "is code"),
    "script under another name": (file("chat_template.jinja", b"#!/bin/sh\n"), "is code"),
    "gguf": (file("model-q4.gguf", b"GGUF"), "GGUF"),
    "json that is not": (file("tokenizer_config.json", b"oops"), "is not JSON"),
    "unknown kind": (file("weights.xyz"), "does not know"),
    "too deep": (file("a/b/c/d/e/f/x.json"), "directories deep"),
    "control character in a name": (file("a\x1b[2J.json"), "cannot be shown safely"),
    "direction mark in a name": (file("a\u202ejson.txt"), "cannot be shown safely"),
    "newline in a name": (file("a\nb.json"), "cannot be shown safely"),
    "same name but for case": (file("Config.json"), "but for case"),
    "index not json": (sharded(b"{", A), "not JSON"),
    "index without a map": (sharded({}, A), "weight_map"),
    "index of numbers": (sharded({"weight_map": {"a": 1}}, A), "weight_map"),
    "index out of the directory": (
        sharded({"weight_map": {"a": "../model-1.safetensors"}}, A), "not a plain file name",
    ),
    "missing shard": (sharded({"weight_map": {"a": B}}, A), "missing"),
    "missing tensor": (sharded({"weight_map": {"a": A}}, A), "does not"),
}  # fmt: skip

FAULTS = {**HEADERS, **CONFIGS, **FILES}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_with_a_sentence_that_names_it(tmp_path: Path, fault: str) -> None:
    plant, says = FAULTS[fault]
    directory = good_model(tmp_path / "m")
    plant(directory)
    with pytest.raises(IntakeRefused, match=says) as refused:
        inspect_directory(directory)
    message = refused.value.message
    assert refused.value.details["path"]
    assert message.endswith(".")
    assert len(message) < 500
    assert message.isprintable()


def test_a_good_directory_is_taken(tmp_path: Path) -> None:
    assert inspect_directory(good_model(tmp_path / "m")).weights_bytes == 32


def test_a_sharded_model_whose_index_agrees_is_taken(tmp_path: Path) -> None:
    directory = good_model(tmp_path / "m")
    index = {"weight_map": {f"model.{A}.norm": A, f"model.{B}.norm": B}}
    sharded(index, A, B)(directory)
    assert inspect_directory(directory).weights_bytes == 64


def test_a_tensor_that_the_index_does_not_know_is_refused(tmp_path: Path) -> None:
    directory = good_model(tmp_path / "m")
    sharded({"weight_map": {f"model.{A}.norm": A}}, A)(directory)
    (directory / A).write_bytes(weights(f"model.{A}.norm", "hidden"))
    with pytest.raises(IntakeRefused, match="does not know 'hidden'"):
        inspect_directory(directory)


@pytest.fixture
def unix_socket(tmp_path: Path) -> Iterator[Path]:
    directory = good_model(tmp_path / "m")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / "vocab.json"))
        yield directory


def test_a_socket_is_refused(unix_socket: Path) -> None:
    with pytest.raises(IntakeRefused, match="socket"):
        inspect_directory(unix_socket)


def test_a_directory_that_is_itself_a_link_is_refused(tmp_path: Path) -> None:
    good_model(tmp_path / "m")
    (tmp_path / "l").symlink_to(tmp_path / "m")
    with pytest.raises(IntakeRefused, match="is a link"):
        inspect_directory(tmp_path / "l")


@pytest.mark.parametrize("name", ["nowhere", "m/config.json"])
def test_a_directory_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    good_model(tmp_path / "m")
    with pytest.raises(IntakeRefused):
        inspect_directory(tmp_path / name)


def test_more_files_than_a_model_has_are_refused(tmp_path: Path) -> None:
    directory = good_model(tmp_path / "m")
    for number in range(4097):
        (directory / f"{number}.txt").touch()
    with pytest.raises(IntakeRefused, match="more than 4096 files"):
        inspect_directory(directory)
