"""From a model's configuration and headers to its `ModelShape`."""

from collections.abc import Collection, Iterable

from app.authority.catalog import layers
from app.authority.catalog.config import Config
from app.authority.catalog.parameters import parameters_of, quantization_of
from app.authority.catalog.safetensors import Tensor
from app.domain.shapes import ModelShape, Task

MAX_VOCAB = 1 << 26
MAX_CONTEXT = 1 << 27
MAX_WIDTH = 1 << 24
# What a configuration that is silent about its length gets.
DEFAULT_CONTEXT = 4096
# What sentence-transformers put beside a model that gives vectors, also beside a decoder.
MODULES = "modules.json"

FLOAT_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8}
# Parts whose dtype decides in which precision the text flows, hence what the cache holds.
_FLOW = ("norm", "embed", "wte", "k_proj", "v_proj", "qkv", "kv_a", "scales", "ln_")
_ASIDE = ("vision", "visual", "audio", "e_score_correction", "mm_projector")
# What the engine's own classes assume where Gemma 3's nested configuration is silent.
_SILENT = {"gemma3": {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}}


def model_shape(
    config: Config,
    tensors: Iterable[Tensor],
    *,
    tokenizer_bytes: int = 0,
    files: Collection[str] = (),
) -> ModelShape:
    """The shape of a model whose loadable files hold `tensors`. Raises IntakeRefused.

    `files` are the names beside them, some of which say what the model is for.
    """
    kept = tuple(tensors)
    inner = config.language_part(_SILENT.get(config.model_type, {}))
    attention = layers.attention(inner)
    return ModelShape(
        architecture=config.model_type,
        max_context=_max_context(inner),
        weights_bytes=sum(t.size for t in kept),
        element_bytes=_element_bytes(kept),
        hidden=layers.hidden_size(inner),
        intermediate=_intermediate(inner),
        heads=layers.head_count(inner),
        head_dim=attention.head_dim,
        vocab=inner.number("vocab_size", high=MAX_VOCAB),
        kv=attention.groups,
        load_extra_bytes=_load_extra_bytes(kept),
        expanded_per_token=attention.expanded_per_token,
        state_bytes_per_slot=attention.state_bytes_per_slot,
        tokenizer_bytes=tokenizer_bytes,
        task=_task(config, files),
        parameters=parameters_of(config, kept),
        quantization=quantization_of(config),
    )


def _task(config: Config, files: Collection[str]) -> Task:
    """Of an encoder: one with a classifier's head ranks. A decoder may be meant for vectors."""
    if config.model_type not in layers.ENCODERS:
        return Task.EMBED if MODULES in files else Task.GENERATE
    kinds = config.words("architectures") or []
    ranks = any(kind.endswith("ForSequenceClassification") for kind in kinds)
    return Task.RERANK if ranks else Task.EMBED


def _max_context(config: Config) -> int:
    if config.text("model_type") in layers.ENCODERS[1:]:  # their positions begin behind the pad's
        first = config.number("pad_token_id", high=MAX_CONTEXT, default=1, low=0) + 1
        return max(1, _positions(config) - first)
    return _positions(config)


def _positions(config: Config) -> int:
    return config.number(
        "max_position_embeddings",
        "n_positions",
        "max_seq_len",
        "max_sequence_length",
        "seq_length",
        "n_ctx",
        high=MAX_CONTEXT,
        default=DEFAULT_CONTEXT,
    )


def _intermediate(config: Config) -> int:
    """Width of the widest feed-forward step; experts count once for each that a token visits."""
    hidden = layers.hidden_size(config)
    dense = config.number(
        "intermediate_size", "ffn_dim", "n_inner", high=MAX_WIDTH, default=4 * hidden
    )
    visited = config.number(
        "num_experts_per_tok", "num_experts_per_token", "moe_topk", high=1 << 16, default=0, low=0
    )
    if not visited:
        return dense
    expert = config.number("moe_intermediate_size", "expert_ffn_dim", high=MAX_WIDTH, default=dense)
    shared = config.number("n_shared_experts", "num_shared_experts", high=1 << 16, default=1, low=0)
    return max(dense, visited * (expert + hidden), shared * expert)


def _element_bytes(tensors: tuple[Tensor, ...]) -> int:
    """Bytes of one element of text in flight; unlike halves meet in float32."""
    found = {
        t.dtype
        for t in tensors
        if t.dtype in FLOAT_BYTES
        and any(part in t.name for part in _FLOW)
        and not any(part in t.name for part in _ASIDE)
    }
    if len(found) == 1:
        return FLOAT_BYTES[found.pop()]
    return 8 if "F64" in found else 4


def _load_extra_bytes(tensors: tuple[Tensor, ...]) -> int:
    """Experts stored one by one are stacked at load: for a while both copies are held."""
    return sum(t.size for t in tensors if ".experts." in t.name and _names_one_expert(t.name))


def _names_one_expert(name: str) -> bool:
    return name.partition(".experts.")[2].split(".", 1)[0].isdigit()
