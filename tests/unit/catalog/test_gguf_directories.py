"""Directories and files in GGUF: which are one model, and how they are imported."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog import Catalog
from app.authority.catalog.abilities import capabilities, chat_template
from app.authority.catalog.inspection import inspect_directory
from app.domain.refusals import IntakeRefused
from tests.gguf_bytes import LLAMA, T, gguf, gguf_model
from tests.model_files import good_model
from tests.unit.catalog.conftest import Import


def test_several_quantizations_in_a_directory_are_a_question(tmp_path: Path) -> None:
    gguf_model(gguf_model(tmp_path, name="m-Q4_K_M.gguf"), name="m-Q8_0.gguf")
    with pytest.raises(IntakeRefused, match=r"several.*m-Q4_K_M, m-Q8_0.*import.*--file"):
        inspect_directory(tmp_path)


def test_safetensors_and_gguf_in_a_directory_are_a_question(tmp_path: Path) -> None:
    with pytest.raises(IntakeRefused, match="import the GGUF by its file"):
        inspect_directory(gguf_model(good_model(tmp_path)))


def test_what_lies_beside_a_model_for_pictures_is_left_out(tmp_path: Path) -> None:
    gguf_model(tmp_path)
    (tmp_path / "mmproj-model-f16.gguf").write_bytes(b"GGUF, but no model")
    assert inspect_directory(tmp_path).parameters == 256


def test_a_configuration_that_asks_for_code_is_refused_beside_gguf_too(tmp_path: Path) -> None:
    gguf_model(tmp_path)
    (tmp_path / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(IntakeRefused, match="auto_map"):
        inspect_directory(tmp_path)


def test_gguf_under_another_name_is_refused(tmp_path: Path) -> None:
    gguf_model(tmp_path)
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
    gguf_model(gguf_model(tmp_path / "d", name="m-Q4_K_M.gguf"), name="m-Q8_0.gguf")
    (tmp_path / "d" / "evil.py").write_text("import os")
    taken = take(tmp_path / "d" / "m-Q8_0.gguf")
    assert taken.id == "local/m-Q8_0"
    assert [a.path for a in catalog.manifest(taken.id).artifacts] == ["m-Q8_0.gguf"]
    assert (taken.architecture, taken.max_context) == ("llama", 2048)
    assert catalog.verify(taken.id).is_dir()


def test_a_shard_brings_the_others_of_its_set(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    shards(gguf_model(tmp_path / "d"), 2)
    taken = take(tmp_path / "d" / "m-00002-of-00002.gguf", "a/b")
    assert [a.path for a in catalog.manifest("a/b").artifacts] == [
        "m-00001-of-00002.gguf",
        "m-00002-of-00002.gguf",
    ]
    assert catalog.shape(taken.id).parameters == 2 * 256


def test_a_directory_of_one_gguf_is_imported_with_what_lies_beside_it(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    (gguf_model(tmp_path / "d") / "tokenizer_config.json").write_text("{}")
    take(tmp_path / "d", "a/b")
    assert [a.path for a in catalog.manifest("a/b").artifacts] == [
        "model.gguf",
        "tokenizer_config.json",
    ]


def test_a_file_that_is_a_link_or_is_not_there_is_refused(take: Import, tmp_path: Path) -> None:
    gguf_model(tmp_path / "d")
    (tmp_path / "link.gguf").symlink_to(tmp_path / "d" / "model.gguf")
    with pytest.raises(IntakeRefused, match="is a link"):
        take(tmp_path / "link.gguf")
    with pytest.raises(IntakeRefused, match="does not exist"):
        take(tmp_path / "none.gguf")


def test_what_a_model_can_do_is_read_from_the_template_inside(tmp_path: Path) -> None:
    takes_tools = "{% if tools %}{{ tools }}{% endif %}"
    gguf_model(
        tmp_path,
        **{"tokenizer.chat_template": "{{ m }}", "tokenizer.chat_template.tool": takes_tools},
    )
    assert capabilities(chat_template(tmp_path))["tools"]


def test_a_broken_file_has_no_template(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + bytes(30))
    assert chat_template(tmp_path) == ""
