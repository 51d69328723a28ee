"""Predicted memory beside the measured peak of a worker's work, for four kinds of model.

Each model has random weights of at least 1 GB. Shapes are chosen so that a small CPU gets through
them: most weights are in the vocabulary or in experts that few tokens visit.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.authority.catalog import inspect_directory
from app.authority.feasibility import need
from app.domain.feasibility import gib
from bench.child import ROOT, environment
from bench.table import Row, missed

TARGET = "1.00 to 1.10"
TIMEOUT_S = 900

COMMON: dict[str, Any] = {
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e4,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One shape, how full it is run, and how full where time matters."""

    name: str
    context: int
    slots: int
    quick: tuple[int, int]
    spec: dict[str, Any]


CASES = (
    Case("grouped-query, float32", 1024, 2, (128, 2), {
        "dtype": "float32",
        "config": {
            **COMMON, "model_type": "llama", "hidden_size": 1024, "num_hidden_layers": 3,
            "intermediate_size": 2816, "num_attention_heads": 16, "num_key_value_heads": 4,
            "vocab_size": 131072,
        },
    }),
    Case("experts, 4 bits", 96, 2, (32, 2), {
        "dtype": "bfloat16",
        "quantization": {"group_size": 64, "bits": 4},
        "config": {
            **COMMON, "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 3,
            "intermediate_size": 4096, "num_attention_heads": 16, "num_key_value_heads": 4,
            "head_dim": 128, "vocab_size": 32000, "num_experts": 96, "num_experts_per_tok": 1,
            "moe_intermediate_size": 1024, "decoder_sparse_step": 1, "mlp_only_layers": [],
            "norm_topk_prob": True,
        },
    }),
    Case("sliding window, bfloat16", 384, 2, (64, 2), {
        "dtype": "bfloat16",
        "config": {
            "model_type": "gemma3_text", "hidden_size": 2048, "num_hidden_layers": 3,
            "intermediate_size": 2048, "num_attention_heads": 8, "num_key_value_heads": 4,
            "head_dim": 256, "vocab_size": 262144, "sliding_window": 128,
            "sliding_window_pattern": 3, "max_position_embeddings": 8192,
        },
    }),
    Case("latent attention, float16", 192, 2, (64, 2), {
        "dtype": "float16",
        "config": {
            **COMMON, "model_type": "deepseek_v3", "hidden_size": 2048, "num_hidden_layers": 2,
            "intermediate_size": 4096, "num_attention_heads": 16, "num_key_value_heads": 16,
            "vocab_size": 131072, "kv_lora_rank": 512, "q_lora_rank": None,
            "qk_rope_head_dim": 64, "v_head_dim": 128, "qk_nope_head_dim": 128,
            "first_k_dense_replace": 9, "n_routed_experts": None, "moe_intermediate_size": 64,
            "topk_method": "noaux_tc", "scoring_func": "sigmoid",
        },
    }),
)  # fmt: skip


def run(quick: bool) -> list[Row]:
    if not Path("/proc/self/status").exists():
        note = "peaks are read from /proc, which this system does not have"
        return [missed("predicted over measured memory", "GB", target=TARGET, note=note)]
    return [measured_row(case, quick=quick) for case in CASES]


def measured_row(case: Case, *, quick: bool) -> Row:
    """One model is made, measured and gone again before the next."""
    context, slots = case.quick if quick else (case.context, case.slots)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        directory = Path(scratch) / "model"
        child("make", json.dumps(case.spec), str(directory))
        shape = inspect_directory(directory)
        predicted = need(shape, context=context, slots=slots, worker_base_bytes=0)
        peaks = json.loads(child("measure", str(directory), str(context), str(slots)))
    ratio = predicted.total_bytes / peaks["peak_bytes"]
    note = (
        f"{context} tokens x {slots}; weights {gib(predicted.weights_bytes)}, cache "
        f"{gib(predicted.kv_bytes)}, workspace {gib(predicted.workspace_bytes)}; base "
        f"{gib(peaks['base_bytes'])} not counted"
    )
    ours, theirs = predicted.total_bytes / 1e9, peaks["peak_bytes"] / 1e9
    met = 1.0 <= ratio <= 1.1 and predicted.weights_bytes >= 10**9
    return Row(f"memory predicted, {case.name}", ours, theirs, "GB", ratio, TARGET, met, note)


def child(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.peaks", *arguments],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"bench.peaks {arguments[0]} failed: {done.stderr[-500:]}")
    return done.stdout
