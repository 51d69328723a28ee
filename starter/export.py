"""Writes a trained model as MLX safetensors in 8 bits, and its digests into config/models.yaml."""

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from starter.model import Llama, Shape
from starter.places import KNOWN_MODELS, MODEL, MODEL_ID, MODEL_PATH
from starter.tokens import END, PAD, write_tokenizer

GROUP = 64
BITS = 8
HEADER = """\
# Models whose digests are known beforehand: one imported with exactly these files is `verified`.
# Written by `python -m starter build`.
"""


def export(model: Llama, tokenizer: Tokenizer, directory: Path = MODEL) -> None:
    """Replace the shipped files."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    save_file(_mlx_weights(model), directory / "model.safetensors", metadata={"format": "mlx"})
    _write_json(directory / "config.json", _config(model.shape, tokenizer))
    _write_json(directory / "generation_config.json", _generation(tokenizer))
    write_tokenizer(tokenizer, directory, model.shape.context)
    for path in directory.iterdir():
        path.chmod(0o644)


def _config(shape: Shape, tokenizer: Tokenizer) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "head_dim": shape.head_size,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context,
        "rope_theta": shape.rope_theta,
        "rope_traditional": False,
        "rms_norm_eps": shape.norm_eps,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "eos_token_id": tokenizer.token_to_id(END),
        "pad_token_id": tokenizer.token_to_id(PAD),
        "quantization": {"group_size": GROUP, "bits": BITS, "mode": "affine"},
    }


def _generation(tokenizer: Tokenizer) -> dict[str, object]:
    """Greedy by default: a model this small gains nothing from chance."""
    return {
        "do_sample": False,
        "temperature": 0.0,
        "eos_token_id": tokenizer.token_to_id(END),
        "pad_token_id": tokenizer.token_to_id(PAD),
    }


def _write_json(path: Path, value: dict[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _mlx_weights(model: Llama) -> dict[str, np.ndarray]:
    weights: dict[str, np.ndarray] = {}
    for name, tensor in sorted(model.state_dict().items()):
        full = f"model.{name}"
        if tensor.dim() == 2:
            packed, scales, biases = quantise(tensor)
            stem = full.removesuffix(".weight")
            weights |= {full: packed, f"{stem}.scales": scales, f"{stem}.biases": biases}
        else:
            weights[full] = tensor.float().numpy()
    return weights


def quantise(weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """MLX's affine layout: each group is `scale * byte + bias`, four bytes to a little-endian word.

    Scales stay in full precision: they cost an eighth of a byte per weight, and the whole model
    then computes in float32, which is the fastest type on a CPU.
    """
    rows, columns = weight.shape
    groups = weight.float().numpy().reshape(rows, columns // GROUP, GROUP)
    low = groups.min(axis=-1)
    scale = np.maximum((groups.max(axis=-1) - low) / (2**BITS - 1), 1e-8)
    levels = np.rint((groups - low[..., None]) / scale[..., None]).clip(0, 2**BITS - 1)
    packed = levels.astype(np.uint8).reshape(rows, columns).view("<u4")
    return packed, scale.astype(np.float32), low.astype(np.float32)


def write_digests(directory: Path = MODEL, target: Path = KNOWN_MODELS) -> None:
    """List every shipped file with its size and SHA-256, sorted by path."""
    lines = [
        HEADER + "version: 1",
        "models:",
        f"  - id: {MODEL_ID}",
        "    source: bundled",
        f"    path: {MODEL_PATH}",
        "    files:",
    ]
    for path in sorted(directory.iterdir()):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        lines.append(f"      - {{path: {path.name}, size: {len(data)}, sha256: {digest}}}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
