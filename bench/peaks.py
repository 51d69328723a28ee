"""The child of `bench.feasibility`: makes random-weight models, and measures a worker's peak.

    python -m bench.peaks make SPEC DIRECTORY            SPEC is JSON
    python -m bench.peaks measure DIRECTORY CONTEXT SLOTS     prints JSON

Measured is what the product's worker does: mlx-lm's loader, the worker's own generator and sampler,
every slot filled to its context.
"""

import json
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn
from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes, load_model

from app.engines.worker.generator import new_generator
from app.engines.worker.sampling import Draw, make_sampler

NAMES = {mx.float32: "F32", mx.float16: "F16", mx.bfloat16: "BF16", mx.uint32: "U32"}
BLOCK = 1 << 20
DECODED_TOKENS = 3


def make(spec: dict[str, Any], directory: Path) -> None:
    """Write a model of the spec's shape. Nothing is computed: only its shapes are asked for."""
    config = spec["config"]
    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(config))
    model.set_dtype(getattr(mx, spec["dtype"]))
    if quantization := spec.get("quantization"):
        nn.quantize(model, **quantization)
        config = {**config, "quantization": quantization}
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps(config))
    parameters = [(n, a.dtype, a.shape, a.nbytes) for n, a in tree_flatten(model.parameters())]
    write_random(directory / "model.safetensors", parameters)


def write_random(path: Path, parameters: list[tuple[str, Any, tuple[int, ...], int]]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    at = 0
    for name, dtype, shape, size in parameters:
        offsets = [at, at + size]
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": offsets}
        at += size
    body = json.dumps(header).encode()
    blocks = {dtype: random_block(dtype) for dtype in NAMES}
    with path.open("wb") as file:
        file.write(len(body).to_bytes(8, "little") + body)
        for _, dtype, _, size in parameters:
            for start in range(0, size, BLOCK):
                file.write(blocks[dtype][: size - start])


def random_block(dtype: Any) -> memoryview:
    """Small numbers of a kind, so that nothing overflows on its way through the layers."""
    random = np.random.default_rng(7)
    if dtype == mx.uint32:
        return memoryview(random.bytes(BLOCK))
    numbers = (random.standard_normal(BLOCK // 4) * 0.02).astype(np.float32)
    if dtype == mx.bfloat16:
        halves = (numbers.view(np.uint32) >> 16).astype(np.uint16)
        return memoryview(halves.tobytes() * 2)
    kind = np.float16 if dtype == mx.float16 else np.float32
    return memoryview((numbers.astype(kind).tobytes() * 2)[:BLOCK])


def measure(directory: Path, context: int, slots: int) -> dict[str, int]:
    """Peaks of resident memory over what this process had before it loaded anything."""
    mx.eval(mx.zeros((8, 8)) @ mx.zeros((8, 8)))
    base = status_bytes("VmRSS")
    model, config = load_model(directory)
    loaded = status_bytes("VmHWM") - base
    vocab = config["vocab_size"]
    generator = new_generator(model, slots=slots)
    prompt = [n % vocab for n in range(context - DECODED_TOKENS)]
    samplers = [make_sampler(Draw(1.0, 0.9), seed=n) for n in range(slots)]
    generator.insert([prompt] * slots, [DECODED_TOKENS] * slots, samplers=samplers)
    finished = 0
    while finished < slots:
        _, responses = generator.next()
        finished += sum(response.finish_reason is not None for response in responses)
        # A finished response holds its cache; kept over the next step, caches would be held twice.
        del responses
    return {
        "base_bytes": base,
        "loaded_bytes": loaded,
        "peak_bytes": status_bytes("VmHWM") - base,
        "allocator_peak_bytes": mx.get_peak_memory(),
    }


def status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


def main(arguments: list[str]) -> None:
    match arguments:
        case ["make", spec, directory]:
            make(json.loads(spec), Path(directory))
        case ["measure", directory, context, slots]:
            print(json.dumps(measure(Path(directory), int(context), int(slots))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
