"""How a model in MLX's format is quantized, and how many numbers it learned."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.authority.catalog.config import Config
from app.authority.catalog.safetensors import Tensor

_MAX_GROUP: Final = 1 << 16


def quantization_of(config: Config) -> str:
    """``4bit``; empty where the weights are plain."""
    bits = _quantization(config).get("bits")
    return f"{bits}bit" if type(bits) is int and 0 < bits < 32 else ""


def parameters_of(config: Config, tensors: Iterable[Tensor]) -> int:
    """Numbers before they were packed: a packed matrix has one scale for each group of them."""
    kept = {tensor.name: tensor for tensor in tensors}
    said = _quantization(config)
    return sum(_elements(tensor, kept, said) for tensor in kept.values())


def _elements(tensor: Tensor, kept: Mapping[str, Tensor], said: Mapping[str, Any]) -> int:
    module, _, part = tensor.name.rpartition(".")
    packed = kept.get(f"{module}.weight")
    if packed is None or packed.dtype != "U32" or f"{module}.scales" not in kept:
        return math.prod(tensor.shape)
    if part != "weight":
        return math.prod(tensor.shape) if part == "bias" else 0
    own = said.get(module)
    group = (own if isinstance(own, dict) else said).get("group_size")
    if type(group) is not int or not 0 < group <= _MAX_GROUP:
        return 0
    return math.prod(kept[f"{module}.scales"].shape) * group


def _quantization(config: Config) -> Mapping[str, Any]:
    return config.mapping("quantization") or config.mapping("quantization_config")
