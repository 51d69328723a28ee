"""GGUF in intake: what is taken, what is refused with which sentence, and the shape it has."""

from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog.gguf import MAX_NUMBERS, Array, read_header
from app.authority.catalog.inspection import inspect_directory
from app.domain.refusals import IntakeRefused
from app.domain.shapes import Format, KvGroup, Task
from tests.gguf_bytes import BOOL, F32, I32, LLAMA, Raw, T, array, gguf, gguf_model


def of(directory: Path, changed: dict[str, Any]) -> Any:
    return inspect_directory(gguf_model(directory, **changed))


def test_a_model_has_the_shape_that_its_metadata_says(tmp_path: Path) -> None:
    shape = inspect_directory(gguf_model(tmp_path))
    assert (shape.format, shape.architecture, shape.task) == (Format.GGUF, "llama", Task.GENERATE)
    assert (shape.max_context, shape.hidden, shape.heads, shape.head_dim) == (2048, 64, 4, 16)
    assert (shape.intermediate, shape.vocab, shape.parameters) == (128, 4, 256)
    assert (shape.weights_bytes, shape.element_bytes, shape.quantization) == (1024, 2, "F16")
    assert shape.kv == (KvGroup(2, 2, 16, 16),)


@pytest.mark.parametrize(
    ("kind", "names", "times"),
    [
        (2, ["token_embd.weight"], 2),
        (0, ["token_embd.weight"], 1),
        (2, ["token_embd.weight", "output.weight"], 1),
    ],
)
def test_a_quantized_embedding_that_is_the_output_too_is_kept_twice(
    tmp_path: Path, kind: int, names: list[str], times: int
) -> None:
    tensors = [T(name, (64, 4), kind) for name in names]
    (tmp_path / "model.gguf").write_bytes(gguf(tensors=tensors))
    size = 1024 if kind == 0 else 144
    assert inspect_directory(tmp_path).weights_bytes == size * len(names) * times


def test_layers_with_heads_of_their_own_are_grouped(tmp_path: Path) -> None:
    shape = of(tmp_path, {"llama.block_count": 4, "llama.attention.head_count_kv": [4, 2, 2, 0]})
    assert shape.kv == (KvGroup(2, 2, 16, 16), KvGroup(1, 4, 16, 16))


def test_keys_and_values_may_be_of_unlike_width(tmp_path: Path) -> None:
    """As MLA keeps them: one latent and a rotated part for each token."""
    named = {
        "general.architecture": "deepseek2",
        **{key.replace("llama.", "deepseek2."): v for key, v in LLAMA.items() if "llama." in key},
        "deepseek2.attention.head_count_kv": 1,
        "deepseek2.attention.key_length": 576,
        "deepseek2.attention.value_length": 512,
    }
    assert of(tmp_path, named).kv == (KvGroup(2, 1, 576, 512),)


def _as(architecture: str, **more: Any) -> dict[str, Any]:
    named = {k.replace("llama.", f"{architecture}."): v for k, v in LLAMA.items() if "llama." in k}
    more = {f"{architecture}.{k.replace('__', '.')}": v for k, v in more.items()}
    return {"general.architecture": architecture, **named, **more}


def test_windows_are_kept_by_the_layers_that_llama_cpp_gives_one(tmp_path: Path) -> None:
    shape = of(tmp_path, _as("gemma3", attention__sliding_window=512, block_count=8))
    assert sorted(shape.kv, key=str) == sorted(
        (KvGroup(7, 2, 16, 16, 512), KvGroup(1, 2, 16, 16)), key=str
    )


def test_a_window_that_llama_cpp_ignores_makes_no_layer_smaller(tmp_path: Path) -> None:
    assert of(tmp_path, _as("qwen2", attention__sliding_window=512)).kv == (KvGroup(2, 2, 16, 16),)


@pytest.mark.parametrize(
    ("changed", "task"),
    [
        (_as("bert"), Task.EMBED),
        (_as("nomic-bert", pooling_type=1), Task.EMBED),
        (_as("bert", pooling_type=4), Task.RERANK),
        (_as("qwen3", pooling_type=3), Task.EMBED),
        (_as("qwen3", pooling_type=4), Task.RERANK),
        (_as("qwen3", pooling_type=0), Task.GENERATE),
        (_as("qwen3"), Task.GENERATE),
    ],
)
def test_the_pooling_says_what_a_model_is_for(
    tmp_path: Path, changed: dict[str, Any], task: Task
) -> None:
    shape = of(tmp_path, changed)
    assert shape.task is task
    assert bool(shape.kv) is ("bert" not in shape.architecture)


@pytest.mark.parametrize(
    ("said", "named"), [(15, "Q4_K_M"), (7, "Q8_0"), (999, "F32"), (None, "F32"), ("x", "F32")]
)
def test_a_quantization_has_the_file_s_name_or_that_of_most_bytes(
    tmp_path: Path, said: Any, named: str
) -> None:
    assert of(tmp_path, {"general.file_type": said}).quantization == named


def test_experts_count_once_for_each_that_a_token_visits(tmp_path: Path) -> None:
    shape = of(tmp_path, _as("qwen3moe", expert_used_count=8, expert_feed_forward_length=96))
    assert shape.intermediate == 8 * (96 + 64)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"general.architecture": "mystery"}, "mystery.*not known. Known: .*llama.*qwen3"),
        ({"general.architecture": None}, "None"),
        ({"general.architecture": 7}, "7"),
        ({"llama.context_length": None}, "does not say context_length"),
        ({"llama.context_length": 0}, "context_length is 0"),
        ({"llama.context_length": 2**32 - 1}, "context_length"),
        ({"llama.context_length": "4096"}, "context_length"),
        ({"llama.context_length": True}, "context_length"),
        ({"llama.block_count": 2**31}, "block_count"),
        ({"llama.embedding_length": None}, "embedding_length"),
        ({"llama.attention.head_count_kv": [2, 2, 2]}, "3 numbers for 2 layers"),
        ({"llama.attention.head_count_kv": array(I32, [-1, 2])}, "head_count_kv"),
        ({"llama.attention.head_count_kv": array(F32, [1.0])}, "head_count_kv"),
        ({"llama.attention.head_count": array(I32, [])}, "head_count"),
        ({"tokenizer.ggml.tokens": None}, "0 tokens"),
    ],
)
def test_metadata_without_a_known_need_is_refused(
    tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    with pytest.raises(IntakeRefused, match=why):
        of(tmp_path, changed)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"", "0 bytes long"),
        (b"GGUF", "too short"),
        (b"GGJT" + bytes(40), "not start with GGUF"),
        (gguf(version=1), "version 1"),
        (gguf(version=4), "version 4"),
        (gguf(version=3 << 24), "big endian"),
        (gguf([*LLAMA.items(), ("llama.block_count", 2)]), "'llama.block_count' twice"),
        (gguf(tensors=(T("a"), T("a"))), "'a' twice"),
        (gguf(tensors=(T("a" * 64),)), "64 bytes"),
        (gguf(tensors=(T("a\x1b[2J"),)), "visible ASCII"),
        (gguf([(b"k\xff", 1)]), "visible ASCII"),
        (gguf([(b"", 1)]), "key of 0 bytes"),
        (gguf({"k": Raw(13, b"")}), "unknown kind 13"),
        (gguf({"k": Raw(BOOL, b"\x02")}), "neither true nor false"),
        (gguf({"k": array(9, [])}), "list of lists"),
        (gguf({"general.alignment": 12}), "power of two"),
        (gguf({"general.alignment": 0}), "power of two"),
        (gguf({"general.alignment": 1 << 30}), "power of two"),
        (gguf({"general.alignment": "32"}), "power of two"),
        (gguf(tensors=(T("a", ()),)), "0 dimensions"),
        (gguf(tensors=(T("a", (1,) * 5),)), "5 dimensions"),
        (gguf(tensors=(T("a", (0, 2)),)), "impossible shape"),
        (gguf(tensors=(T("a", (32,), 4),)), "unknown type 4"),
        (gguf(tensors=(T("a", (33,), 2),)), "rows of 33"),
        (gguf(tensors=(T("a"), T("b", begin=0))), "'b' at offset 0"),
        (gguf(tensors=(T("a"), T("b", begin=160))), "'b' at offset 160"),
        (gguf(tensors=(T("a", begin=32),)), "'a' at offset 32"),
        (gguf(tensors=(T("a"),), data=bytes(127)), "lacks 1 bytes"),
        (gguf(tensors=(T("a"),), data=bytes(129)), "1 bytes at its end"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path: Path, file: bytes, why: str) -> None:
    (tmp_path / "model.gguf").write_bytes(file)
    with pytest.raises(IntakeRefused, match=why):
        inspect_directory(tmp_path)


def test_a_long_list_of_numbers_is_counted_and_not_kept() -> None:
    file = gguf({"long": array(F32, [0.5] * (MAX_NUMBERS + 1)), "short": array(F32, [0.5, 1.0])})
    found = read_header(lambda n, at: file[at : at + n], file_size=len(file), path="f").metadata
    assert found == {"long": Array(MAX_NUMBERS + 1), "short": Array(2, (0.5, 1.0))}
