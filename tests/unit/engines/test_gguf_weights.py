"""Files that are no model are refused in words that say why."""

from pathlib import Path
from typing import Any

import pytest

from app.domain.shapes import Format
from app.engines.protocol import VERSION, Load
from app.engines.worker.backend import CannotLoad
from app.engines.worker.gguf import library
from app.engines.worker.gguf.backend import GgufBackend
from app.engines.worker.gguf.library import open_library
from app.engines.worker.gguf.weights import find_gguf
from tests.gguf_models import tiny_gguf
from tests.workers import opened_gguf


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny", chat_template=None)
    return (directory / "model.gguf").read_bytes()


def load(directory: Path) -> GgufBackend:
    return opened_gguf(Load(VERSION, "tests/model", str(directory), 256, 2, 2**32, 0, Format.GGUF))


def names(directory: Path, *files: str) -> Path:
    for name in files:
        (directory / name).write_bytes(b"GGUF")
    return directory


@pytest.mark.parametrize("cut", [0, 3, 100, 5000, 200_000])
def test_a_file_that_was_cut_is_refused_with_a_reason(
    tmp_path: Path, whole: bytes, cut: int
) -> None:
    (tmp_path / "model.gguf").write_bytes(whole[:cut])
    with pytest.raises(CannotLoad, match=r"cannot load model\.gguf: \w+") as refused:
        load(tmp_path)
    assert str(tmp_path) not in str(refused.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "model.gguf").write_bytes(b"\0" * len(whole))
    with pytest.raises(CannotLoad, match=r"cannot load model\.gguf: .*magic"):
        load(tmp_path)


def test_an_architecture_that_nobody_knows_is_named(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "model.gguf").write_bytes(whole.replace(b"llama", b"lloma"))
    with pytest.raises(CannotLoad, match="lloma"):
        load(tmp_path)


def test_weights_that_are_no_numbers_fail_the_canary(tmp_path: Path, whole: bytes) -> None:
    tail = len(whole) // 2
    (tmp_path / "model.gguf").write_bytes(whole[:tail] + b"\xff" * (len(whole) - tail))
    with pytest.raises(CannotLoad, match="not numbers"):
        load(tmp_path).sing()


def test_the_canary_of_a_good_model_sings(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / "Model.GGUF").write_bytes(whole)
    load(tmp_path).sing()


def test_one_file_or_the_first_of_all_shards_is_found(tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir()
    many.mkdir()
    assert find_gguf(names(one, "README.md", "a.gguf")).name == "a.gguf"
    shards = [f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3)]
    assert find_gguf(names(many, *shards)).name == shards[0]


@pytest.mark.parametrize(
    "files",
    [
        (),
        ("a.gguf", "b.gguf"),
        ("m-00001-of-00002.gguf",),
        ("m-00002-of-00002.gguf",),
        ("m-00001-of-00002.gguf", "n-00002-of-00002.gguf"),
        ("m-00001-of-00001.gguf", "other.gguf"),
    ],
)
def test_files_that_are_not_one_model_are_refused(tmp_path: Path, files: tuple[str, ...]) -> None:
    with pytest.raises(CannotLoad, match=r"\.gguf file"):
        find_gguf(names(tmp_path, *files))


def test_another_llama_cpp_than_the_known_one_is_refused(monkeypatch: Any) -> None:
    open_library.cache_clear()
    monkeypatch.setattr(library, "_MODEL_DEFAULTS", {"split_mode": 7})
    with pytest.raises(CannotLoad, match="another llama.cpp"):
        open_library()
    monkeypatch.undo()
    open_library.cache_clear()
    assert open_library().call.llama_model_default_params().n_gpu_layers == -1
