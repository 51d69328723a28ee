"""What is promised for a GGUF covers what llama.cpp takes, measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import gguf
import pytest

from app.authority.catalog.inspection import inspect_directory
from app.authority.feasibility import gguf_terms, need
from app.domain.shapes import Format, KvGroup, ModelShape, Task
from tests.gguf_models import tiny_gguf

MEASURE = """
import json, sys
from pathlib import Path
from app.engines.worker.gguf.decoder import Decoder, Feed
from app.engines.worker.gguf.library import open_library
from app.engines.worker.gguf.weights import Weights

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) * 1024 for l in lines if l.startswith(field + ":"))

directory, context, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
library = open_library()
base = status("VmRSS")
weights = Weights(library, Path(directory) / "model.gguf")
decoder = Decoder(library, weights, context=context, slots=slots, threads=2)
for slot in range(slots):
    for at in range(0, context, 512):
        tokens = [1] * min(512, context - at)
        decoder.step([Feed(slot, tokens, at, min(32, len(tokens)))])
print(json.dumps(status("VmHWM") - base))
"""

EMBED = """
import json, sys
from pathlib import Path
from app.engines.worker.gguf.library import open_library
from app.engines.worker.gguf.vectors import Pooling, Reader
from app.engines.worker.gguf.weights import Weights

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) * 1024 for l in lines if l.startswith(field + ":"))

directory, context = sys.argv[1], int(sys.argv[2])
library = open_library()
base = status("VmRSS")
weights = Weights(library, Path(directory) / "model.gguf")
reader = Reader(library, weights, Pooling.MEAN, context=context)
for _ in reader.embed([[1] * context, [2]], None):
    pass
print(json.dumps(status("VmHWM") - base))
"""

SHAPE = ModelShape(
    architecture="llama", max_context=8192, weights_bytes=1000, element_bytes=2, hidden=32,
    intermediate=64, heads=4, head_dim=8, vocab=100, format=Format.GGUF,
    kv=(KvGroup(3, 2, 8, 8),),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("context", "slots"), [(512, 1), (2048, 3)])
def test_a_load_takes_no_more_than_is_promised(tmp_path: Path, context: int, slots: int) -> None:
    directory = tiny_gguf(tmp_path / "m", hidden=256, layers=4, vocab=900, context=4096)
    promised = need(inspect_directory(directory), context=context, slots=slots, worker_base_bytes=0)
    command = [sys.executable, "-c", MEASURE, str(directory), str(context), str(slots)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert promised.weights_bytes + promised.kv_bytes < measured <= promised.total_bytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("context", [512, 2048])
def test_an_embedding_model_takes_no_more_than_is_promised(tmp_path: Path, context: int) -> None:
    directory = tiny_gguf(
        tmp_path / "m", pooling=gguf.PoolingType.MEAN, hidden=256, layers=4, vocab=900, context=4096
    )
    shape = inspect_directory(directory)
    assert shape.task is Task.EMBED
    promised = need(shape, context=context, slots=1, worker_base_bytes=0)
    command = [sys.executable, "-c", EMBED, str(directory), str(context)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert promised.weights_bytes < measured <= promised.total_bytes


def test_a_slot_has_room_for_its_whole_context_padded() -> None:
    per_token = 3 * 2 * (8 + 8) * 2
    assert gguf_terms.kv_bytes(SHAPE, context=1000, slots=1) == 1024 * per_token
    assert gguf_terms.kv_bytes(SHAPE, context=1000, slots=4) == 4 * 1024 * per_token


def test_a_window_and_one_step_are_kept() -> None:
    shape = ModelShape(**{**_fields(), "kv": (KvGroup(3, 2, 8, 8, window=100),)})
    per_token = 3 * 2 * (8 + 8) * 2
    assert gguf_terms.kv_bytes(shape, context=8000, slots=1) == 768 * per_token


def test_prompts_are_remembered_in_the_slots_and_take_nothing_more() -> None:
    assert need(SHAPE, context=1000, slots=2, worker_base_bytes=0).prompt_cache_bytes == 0


def test_each_slot_and_each_token_of_the_vocabulary_needs_more() -> None:
    one, two = (gguf_terms.workspace_bytes(SHAPE, context=256, slots=n) for n in (1, 2))
    assert two - one == (gguf_terms.ROW_COPIES + gguf_terms.DRAWING_COPIES) * 100 * 4
    more = ModelShape(**{**_fields(), "vocab": 101})
    rows = gguf_terms.ROW_COPIES * (gguf_terms.TOLD_ROWS + 1) + gguf_terms.DRAWING_COPIES
    known = gguf_terms.workspace_bytes(more, context=256, slots=1) - one
    assert known == gguf_terms.TOKEN_BYTES + rows * 4


def test_an_encoder_has_room_for_the_scores_of_a_whole_text() -> None:
    encoder = ModelShape(**{**_fields(), "kv": (), "task": Task.EMBED})
    found = gguf_terms.workspace_bytes(encoder, context=4096, slots=1)
    assert found > 4096 * 4096 * encoder.heads * gguf_terms.FLOAT32_BYTES


def _fields() -> dict[str, object]:
    return {name: getattr(SHAPE, name) for name in ModelShape.__slots__}
