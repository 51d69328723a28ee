"""What is promised for an encoder covers what its worker takes, measured in its own process."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.catalog.inspection import inspect_directory
from app.authority.feasibility import mlx_terms, need
from app.domain.feasibility import PREFILL_CHUNK_TOKENS
from app.domain.shapes import ModelShape, Task
from tests.encoder_models import tiny_bert

MEASURE = """
import json, sys
from pathlib import Path
import mlx.core as mx
from app.engines.worker.encoders import LoadedEncoder
from app.engines.worker.loading import CACHE_LIMIT_BYTES

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) * 1024 for l in lines if l.startswith(field + ":"))

directory, length, texts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
mx.set_cache_limit(CACHE_LIMIT_BYTES)
base = status("VmRSS")
encoder = LoadedEncoder(Path(directory))
for _ in encoder.embed([[5] * length] * texts, None):
    pass
print(json.dumps(status("VmHWM") - base))
"""

SHAPE = ModelShape(
    architecture="bert", max_context=8192, weights_bytes=1000, element_bytes=4, hidden=32,
    intermediate=64, heads=4, head_dim=8, vocab=100, kv=(), task=Task.EMBED,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("length", "texts"), [(512, 2), (2048, 1), (60, 20)])
def test_an_encoder_takes_no_more_than_is_promised(tmp_path: Path, length: int, texts: int) -> None:
    directory = tiny_bert(
        tmp_path / "m", hidden=128, layers=2, heads=16, intermediate=512, context=length
    )
    shape = inspect_directory(directory)
    promised = need(shape, context=length, slots=1, worker_base_bytes=0)
    command = [sys.executable, "-c", MEASURE, str(directory), str(length), str(texts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert promised.weights_bytes < measured <= promised.total_bytes
    if length > 60:  # where the scores weigh most, the promise is no multiple of the truth
        assert promised.total_bytes <= 2 * measured


def test_the_scores_of_a_text_are_those_of_a_chunk_by_the_whole_text() -> None:
    more = replace(SHAPE, heads=SHAPE.heads + 1)
    for context, chunk in ((100, 100), (512, 512), (4096, PREFILL_CHUNK_TOKENS)):
        texts = -(-PREFILL_CHUNK_TOKENS // context)
        found = [
            mlx_terms.workspace_bytes(shape, context=context, slots=1) for shape in (SHAPE, more)
        ]
        projections = texts * context * mlx_terms.PROJECTION_COPIES * 8 * 4
        assert found[1] - found[0] == texts * context * chunk * 4 + projections
