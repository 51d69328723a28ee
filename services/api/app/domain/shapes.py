"""What a model's size in memory follows from, in whole numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """How weights are kept, which decides the engine that runs them."""

    MLX = "mlx"
    GGUF = "gguf"


class Task(StrEnum):
    """What a model is for."""

    GENERATE = "generate"
    EMBED = "embed"
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that keep keys and values in the same way.

    The dimensions are those that are cached, which are not always those that are attended over: MLA
    caches one latent per token. `window` is the most tokens that a rotating cache keeps.
    """

    layers: int
    heads: int
    key_dim: int
    value_dim: int
    window: int | None = None

    def bytes_per_token(self, element_bytes: int) -> int:
        """Bytes that one layer of the group keeps for one token of one sequence."""
        return self.heads * (self.key_dim + self.value_dim) * element_bytes


@dataclass(frozen=True, slots=True)
class ModelShape:
    """A model as feasibility sees it; everything comes from its headers and its configuration.

    `load_extra_bytes` is held only while the weights are rearranged at load. `expanded_per_token`
    counts elements that a layer unfolds from its cache, per cached token, while it reads a prompt.
    `state_bytes_per_slot` is what recurrent layers keep, however long the text is. `parameters` (0:
    unknown) and `quantization` ("4bit", "Q4_K_M"; empty: none) are for people.
    """

    architecture: str
    max_context: int
    weights_bytes: int
    element_bytes: int
    hidden: int
    intermediate: int
    heads: int
    head_dim: int
    vocab: int
    kv: tuple[KvGroup, ...]
    load_extra_bytes: int = 0
    expanded_per_token: int = 0
    state_bytes_per_slot: int = 0
    tokenizer_bytes: int = 0
    format: Format = Format.MLX
    task: Task = Task.GENERATE
    parameters: int = 0
    quantization: str = ""

    @property
    def quantized_as(self) -> str:
        """How the weights are kept, as rules compare it: in lower case, `none` for not at all."""
        return self.quantization.lower() or "none"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; `from_dict` reads them back."""
        return asdict(self) | {"kv": [asdict(group) for group in self.kv]}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "ModelShape":
        groups = tuple(KvGroup(**group) for group in fields["kv"])
        kinds = {
            "format": Format(fields.get("format", Format.MLX)),
            "task": Task(fields.get("task", Task.GENERATE)),
        }
        return cls(**{**fields, **kinds, "kv": groups})
