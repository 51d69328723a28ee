"""What a listing tells of a model in MLX's format: parameters, quantization, purpose."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog.config import Config
from app.authority.catalog.inspection import inspect_directory
from app.authority.catalog.parameters import parameters_of, quantization_of
from app.authority.catalog.safetensors import Tensor
from app.authority.feasibility import need
from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.shapes import ModelShape, Task
from tests.model_files import CONFIG, good_model


def tensor(name: str, dtype: str, *shape: int) -> Tensor:
    return Tensor(name, dtype, shape, 0, 0)


# 64 by 128 numbers of four bits, in groups of 32.
PACKED = [
    tensor("q.weight", "U32", 64, 16),
    tensor("q.scales", "BF16", 64, 4),
    tensor("q.biases", "BF16", 64, 4),
    tensor("q.bias", "BF16", 64),
    tensor("norm.weight", "BF16", 128),
]


def config(**quantization: Any) -> Config:
    return Config({"model_type": "llama", "quantization": quantization})


def test_packed_numbers_count_as_they_were_before() -> None:
    assert parameters_of(config(bits=4, group_size=32), PACKED) == 64 * 128 + 64 + 128


def test_a_part_may_have_a_group_size_of_its_own() -> None:
    own = config(bits=4, group_size=64, q={"bits": 8, "group_size": 32})
    assert parameters_of(own, PACKED) == 64 * 128 + 64 + 128


@pytest.mark.parametrize("group", [None, 0, -1, "32", 1 << 40, True])
def test_packed_numbers_of_no_sensible_group_are_not_counted(group: Any) -> None:
    assert parameters_of(config(bits=4, group_size=group), PACKED) == 64 + 128


def test_plain_numbers_count_each() -> None:
    assert parameters_of(Config({"model_type": "x"}), PACKED[-2:]) == 64 + 128


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"bits": 4}, "4bit"),
        ({"bits": 8}, "8bit"),
        ({}, ""),
        ({"bits": "4"}, ""),
        ({"bits": 99}, ""),
    ],
)
def test_a_quantization_is_named_by_its_bits(said: dict[str, Any], named: str) -> None:
    assert quantization_of(config(**said)) == named


@pytest.mark.parametrize(
    ("changed", "files", "task"),
    [
        ({}, (), Task.GENERATE),
        ({}, ("modules.json",), Task.EMBED),
        ({"model_type": "bert"}, (), Task.EMBED),
        ({"model_type": "xlm-roberta"}, ("modules.json",), Task.EMBED),
        (
            {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
            (),
            Task.RERANK,
        ),
    ],
)
def test_what_a_model_is_for(
    tmp_path: Path, changed: dict[str, Any], files: tuple[str, ...], task: Task
) -> None:
    directory = good_model(tmp_path, config={**CONFIG, **changed})
    for name in files:
        (directory / name).write_text("[]")
    assert inspect_directory(directory).task is task


def test_an_encoder_needs_room_for_the_scores_of_a_chunk_by_the_whole_text(tmp_path: Path) -> None:
    shape = inspect_directory(good_model(tmp_path, config={**CONFIG, "model_type": "bert"}))
    found = need(shape, context=2048, slots=1, worker_base_bytes=0)
    assert (found.kv_bytes, found.prompt_cache_bytes) == (0, 0)
    scores = PREFILL_CHUNK_TOKENS * 2048 * shape.heads * shape.element_bytes
    assert found.workspace_bytes > scores


def test_a_shape_of_before_still_reads(tmp_path: Path) -> None:
    fields = json.loads(json.dumps(inspect_directory(good_model(tmp_path)).as_dict()))
    for new in ("format", "task", "parameters", "quantization"):
        del fields[new]
    found = ModelShape.from_dict(fields)
    assert (found.format, found.task, found.parameters, found.quantization) == (
        "mlx", "generate", 0, "",
    )  # fmt: skip
