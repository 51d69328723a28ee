"""GGUF in intake: what is taken, what is refused with which sentence, and the shape it has."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog import Catalog
from app.authority.catalog.abilities import capabilities, chat_template
from app.authority.catalog.gguf import MAX_NUMBERS, Array, read_header
from app.authority.catalog.inspection import inspect_directory
from app.domain.refusals import IntakeRefused
from app.domain.shapes import Format, KvGroup, Task
from tests.gguf_bytes import BOOL, F32, I32, LLAMA, Raw, T, array, gguf
from tests.model_files import good_model
from tests.unit.catalog.conftest import Import


def model(directory: Path, *, name: str = "model.gguf", **changed: Any) -> Path:
    """A directory with one GGUF; `changed` is metadata, `_` standing for the dots of llama's."""
    directory.mkdir(parents=True, exist_ok=True)
    metadata = {**LLAMA, **{key: v for key, v in changed.items() if v is not None}}
    for key in [key for key, v in changed.items() if v is None]:
        del metadata[key]
    (directory / name).write_bytes(gguf(metadata))
    return directory


def of(directory: Path, changed: dict[str, Any]) -> Any:
    return inspect_directory(model(directory, **changed))


def test_a_model_has_the_shape_that_its_metadata_says(tmp_path: Path) -> None:
    shape = inspect_directory(model(tmp_path))
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


# --- directories ----------------------------------------------------------------------------------


def test_several_quantizations_in_a_directory_are_a_question(tmp_path: Path) -> None:
    model(model(tmp_path, name="m-Q4_K_M.gguf"), name="m-Q8_0.gguf")
    with pytest.raises(IntakeRefused, match=r"several.*m-Q4_K_M, m-Q8_0.*import.*--file"):
        inspect_directory(tmp_path)


def test_safetensors_and_gguf_in_a_directory_are_a_question(tmp_path: Path) -> None:
    with pytest.raises(IntakeRefused, match="import the GGUF by its file"):
        inspect_directory(model(good_model(tmp_path)))


def test_what_lies_beside_a_model_for_pictures_is_left_out(tmp_path: Path) -> None:
    model(tmp_path)
    (tmp_path / "mmproj-model-f16.gguf").write_bytes(b"GGUF, but no model")
    assert inspect_directory(tmp_path).parameters == 256


def test_a_configuration_that_asks_for_code_is_refused_beside_gguf_too(tmp_path: Path) -> None:
    model(tmp_path)
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(IntakeRefused, match="auto_map"):
        inspect_directory(tmp_path)


def test_gguf_under_another_name_is_refused(tmp_path: Path) -> None:
    model(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(gguf())
    with pytest.raises(IntakeRefused, match="GGUF under another name"):
        inspect_directory(tmp_path)


def shards(directory: Path, count: int = 2, **said: Any) -> Path:
    """A set that says so of itself, unless `said` differs for the second shard."""
    directory.mkdir(exist_ok=True)
    for n in range(count):
        split = {"split.no": n, "split.count": count, "split.tensors.count": count}
        metadata = {**(LLAMA if n == 0 else {}), **split, **(said if n == 1 else {})}
        name = f"m-{n + 1:05}-of-{count:05}.gguf"
        (directory / name).write_bytes(gguf(metadata, (T(f"t{n}", (64, 4)),)))
    return directory


def test_a_whole_set_of_shards_is_one_model(tmp_path: Path) -> None:
    shape = inspect_directory(shards(tmp_path, 3))
    assert (shape.parameters, shape.weights_bytes) == (3 * 256, 3 * 1024)


def _lose_last(d: Path) -> None:
    (d / "m-00002-of-00002.gguf").unlink()


def _lose_first(d: Path) -> None:
    (d / "m-00001-of-00002.gguf").unlink()


def _other_set(d: Path) -> None:
    (d / "m-00002-of-00002.gguf").rename(d / "m-00002-of-00003.gguf")


def _twice(d: Path) -> None:
    split = {"split.no": 1, "split.count": 2, "split.tensors.count": 2}
    (d / "m-00002-of-00002.gguf").write_bytes(gguf(split, (T("t0", (64, 4)),)))


def _more_tensors(d: Path) -> None:
    split = {"split.no": 1, "split.count": 2}
    (d / "m-00002-of-00002.gguf").write_bytes(gguf(split, (T("x"), T("y"))))


def _wrong_number(d: Path) -> None:
    shards(d, **{"split.no": 0})


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (_lose_last, "not all there"),
        (_lose_first, "not all there"),
        (_other_set, "not all there"),
        (_twice, "holds tensor 't0', as m-00001"),
        (_more_tensors, "2 tensors are in all shards, which hold 3"),
        (_wrong_number, "shard 0 of 2, but is 1 of 2"),
    ],
)
def test_a_set_that_is_not_whole_is_refused(
    tmp_path: Path, break_it: Callable[[Path], None], why: str
) -> None:
    break_it(shards(tmp_path))
    with pytest.raises(IntakeRefused, match=why):
        inspect_directory(tmp_path)


def test_a_shard_that_claims_to_be_a_whole_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf({**LLAMA, "split.no": 0, "split.count": 2}))
    with pytest.raises(IntakeRefused, match="0 of 1 by its name"):
        inspect_directory(tmp_path)


def test_a_number_of_shards_that_nobody_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m-00001-of-99999.gguf").write_bytes(gguf())
    with pytest.raises(IntakeRefused, match="99999 shards"):
        inspect_directory(tmp_path)


def test_the_struct_of_the_test_is_the_format_s() -> None:
    """The first bytes as the format's specification gives them."""
    assert gguf({}, ())[:24] == b"GGUF" + struct.pack("<IQQ", 3, 0, 0)


# --- imports --------------------------------------------------------------------------------------


def test_a_file_is_imported_alone_under_its_own_name(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    model(model(tmp_path / "d", name="m-Q4_K_M.gguf"), name="m-Q8_0.gguf")
    (tmp_path / "d" / "evil.py").write_text("import os")
    taken = take(tmp_path / "d" / "m-Q8_0.gguf")
    assert taken.id == "local/m-Q8_0"
    assert [a.path for a in catalog.manifest(taken.id).artifacts] == ["m-Q8_0.gguf"]
    assert (taken.architecture, taken.max_context) == ("llama", 2048)
    assert catalog.verify(taken.id).is_dir()


def test_a_shard_brings_the_others_of_its_set(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    shards(model(tmp_path / "d"), 2)
    taken = take(tmp_path / "d" / "m-00002-of-00002.gguf", "a/b")
    assert [a.path for a in catalog.manifest("a/b").artifacts] == [
        "m-00001-of-00002.gguf",
        "m-00002-of-00002.gguf",
    ]
    assert catalog.shape(taken.id).parameters == 2 * 256


def test_a_directory_of_one_gguf_is_imported_with_what_lies_beside_it(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    (model(tmp_path / "d") / "tokenizer_config.json").write_text("{}")
    take(tmp_path / "d", "a/b")
    assert [a.path for a in catalog.manifest("a/b").artifacts] == [
        "model.gguf",
        "tokenizer_config.json",
    ]


def test_a_file_that_is_a_link_or_is_not_there_is_refused(take: Import, tmp_path: Path) -> None:
    model(tmp_path / "d")
    (tmp_path / "link.gguf").symlink_to(tmp_path / "d" / "model.gguf")
    with pytest.raises(IntakeRefused, match="is a link"):
        take(tmp_path / "link.gguf")
    with pytest.raises(IntakeRefused, match="does not exist"):
        take(tmp_path / "none.gguf")


def test_what_a_model_can_do_is_read_from_the_template_inside(tmp_path: Path) -> None:
    takes_tools = "{% if tools %}{{ tools }}{% endif %}"
    model(
        tmp_path,
        **{"tokenizer.chat_template": "{{ m }}", "tokenizer.chat_template.tool": takes_tools},
    )
    assert capabilities(chat_template(tmp_path))["tools"]


def test_a_broken_file_has_no_template(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(30))
    assert chat_template(tmp_path) == ""
