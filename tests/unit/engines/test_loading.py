"""Only architectures that mlx-lm ships are loaded; code from a model is never run."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.engines.worker.backend import CannotLoad
from app.engines.worker.loading import load
from tests.models import tiny_model

LIMIT = 2**34


def changed(directory: Path, **config: Any) -> Path:
    tiny_model(directory)
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return directory


def test_a_model_file_in_the_config_is_refused_before_it_is_looked_at(tmp_path: Path) -> None:
    directory = changed(tmp_path, model_file="evil.py")
    witness = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(witness)!r}, 'w')")
    with pytest.raises(CannotLoad, match="never run"):
        load(directory, memory_limit_bytes=LIMIT)
    assert not witness.exists()


@pytest.mark.parametrize("model_type", ["no_such_model", "../evil", "llama.sub", "", None, 7, []])
def test_an_unknown_architecture_is_refused(tmp_path: Path, model_type: Any) -> None:
    with pytest.raises(CannotLoad):
        load(changed(tmp_path, model_type=model_type), memory_limit_bytes=LIMIT)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\xff", "[" * 100_000])
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    tiny_model(tmp_path)
    (tmp_path / "config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CannotLoad, match=r"config\.json"):
        load(tmp_path, memory_limit_bytes=LIMIT)


def test_end_tokens_come_from_config_and_generation_config(tmp_path: Path) -> None:
    directory = changed(tmp_path, eos_token_id=300)
    (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": [301, 302]}))
    model = load(directory, memory_limit_bytes=LIMIT)
    assert {301, 302} <= model.end_tokens
