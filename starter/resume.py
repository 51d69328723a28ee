"""Reads the shipped model back, so that new text can be learned without starting from nothing."""

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from starter.export import GROUP
from starter.model import Llama, Shape
from starter.places import MODEL


def load_shipped(directory: Path = MODEL) -> tuple[Llama, Tokenizer]:
    """Undo what `export` did; the eight-bit rounding is smaller than one step of training."""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    stored = load_file(directory / "model.safetensors")
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size()))
    weights = {}
    for name in model.state_dict():
        full = f"model.{name}"
        stem = full.removesuffix(".weight")
        value = stored[full]
        if f"{stem}.scales" in stored:
            value = restore(value, stored[f"{stem}.scales"], stored[f"{stem}.biases"])
        weights[name] = torch.from_numpy(value.copy())
    model.load_state_dict(weights)
    return model, tokenizer


def restore(packed: np.ndarray, scales: np.ndarray, biases: np.ndarray) -> np.ndarray:
    """The weights that MLX computes with."""
    rows, groups = scales.shape
    levels = packed.view(np.uint8).reshape(rows, groups, GROUP).astype(np.float32)
    full: np.ndarray = levels * scales[..., None] + biases[..., None]
    return full.reshape(rows, groups * GROUP)
