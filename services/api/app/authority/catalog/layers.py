"""How each architecture caches its layers: the only place that knows them by name.

It follows what the engine's implementation of the architecture allocates, not what the paper says.
Several ignore a sliding window that their configuration names, and DeepSeek-V2 caches whole heads.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.authority.catalog.config import Config, refuse
from app.domain.shapes import KvGroup

MAX_LAYERS = 4096
MAX_HEADS = 65_536
MAX_DIM = 1 << 20
MAX_WINDOW = 1 << 32

SLIDING = "sliding_attention"
# They read whole texts at once and keep nothing.
ENCODERS = ("bert", "roberta", "xlm-roberta", "camembert")
# Recurrent layers of unknown make: twice the hidden size times this many states of four bytes.
STATE_COLUMNS = 256


@dataclass(frozen=True, slots=True)
class Attention:
    """What `config.json` says of the attention layers, as the cache sees it."""

    groups: tuple[KvGroup, ...]
    head_dim: int
    expanded_per_token: int = 0
    state_bytes_per_slot: int = 0


def attention(config: Config) -> Attention:
    """Cache groups of the language part of a configuration."""
    kind = config.model_type
    return _RULES.get(kind, _upper_bound)(config)


def layer_count(config: Config) -> int:
    return config.number("num_hidden_layers", "n_layers", "n_layer", "num_layers", high=MAX_LAYERS)


def head_count(config: Config) -> int:
    return config.number("num_attention_heads", "n_heads", "n_head", high=MAX_HEADS)


def hidden_size(config: Config) -> int:
    return config.number("hidden_size", "n_embd", "d_model", "dim", high=MAX_DIM)


def head_dim(config: Config) -> int:
    return config.number(
        "head_dim", high=MAX_DIM, default=max(1, hidden_size(config) // head_count(config))
    )


def _kv_heads(config: Config) -> int:
    heads = head_count(config)
    found = config.number("num_key_value_heads", "n_kv_heads", high=MAX_HEADS, default=heads)
    if found > heads:
        refuse(f"says {found} key-value heads serve {heads} attention heads")
    return found


def _grouped(config: Config) -> Attention:
    return Attention((_group(config, layer_count(config), None),), head_dim(config))


def _group(config: Config, layers: int, window: int | None) -> KvGroup:
    dim = head_dim(config)
    return KvGroup(layers, _kv_heads(config), dim, dim, window)


def _by_layer_types(default_period: int | None) -> Callable[[Config], Attention]:
    """Layers marked as sliding rotate; unmarked, every `default_period`-th is a full one."""

    def rule(config: Config) -> Attention:
        return _mixed(config, config.words("layer_types") or _periodic(config, default_period))

    return rule


def _by_pattern(default_period: int) -> Callable[[Config], Attention]:
    def rule(config: Config) -> Attention:
        period = config.number("sliding_window_pattern", high=MAX_LAYERS, default=default_period)
        return _mixed(config, _periodic(config, period))

    return rule


def _periodic(config: Config, period: int | None) -> list[str]:
    def kind(index: int) -> str:
        return SLIDING if period and (index + 1) % period else "full_attention"

    return [kind(index) for index in range(layer_count(config))]


def _mixed(config: Config, kinds: list[str]) -> Attention:
    layers = layer_count(config)
    if len(kinds) != layers:
        refuse(f"lists {len(kinds)} layer types for {layers} layers")
    counts = Counter(kind == SLIDING for kind in kinds)
    groups = []
    if counts[False]:
        groups.append(_group(config, counts[False], None))
    if counts[True]:
        window = config.number("sliding_window", "window_size", high=MAX_WINDOW)
        groups.append(_group(config, counts[True], window))
    return Attention(tuple(groups), head_dim(config))


def _latent(config: Config) -> Attention:
    """MLA with the latent in the cache; reading a prompt unfolds keys and values of a layer."""
    rank, rope, plain, value = (_dim(config, name) for name in _MLA_DIMS)
    group = KvGroup(layer_count(config), 1, rank, rope)
    expanded = head_count(config) * (plain + value)
    return Attention((group,), max(plain + rope, value), expanded_per_token=expanded)


def _whole_heads(config: Config) -> Attention:
    """MLA that caches what the latent unfolds to."""
    _, rope, plain, value = (_dim(config, name) for name in _MLA_DIMS)
    group = KvGroup(layer_count(config), head_count(config), plain + rope, value)
    return Attention((group,), max(plain + rope, value))


def _dim(config: Config, name: str) -> int:
    return config.number(name, high=MAX_DIM)


def _upper_bound(config: Config) -> Attention:
    """An architecture that is not listed: each layer full, each head cached, and recurrent too."""
    layers, heads = layer_count(config), head_count(config)
    dims = (*_MLA_DIMS, "global_head_dim", "v_head_dim", "value_head_dim", "key_head_dim")
    named = [config.number(name, high=MAX_DIM, default=0, low=0) for name in dims]
    widest = max(head_dim(config), named[1] + named[2], *named[3:])
    state = layers * 2 * hidden_size(config) * STATE_COLUMNS * 4
    return Attention((KvGroup(layers, heads, widest, widest),), widest, state_bytes_per_slot=state)


_MLA_DIMS = ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")

# fmt: off
_GROUPED = (
    "apertus", "cohere", "dots1", "ernie4_5", "ernie4_5_moe", "exaone", "exaone4", "gemma",
    "gemma2", "glm", "glm4", "glm4_moe", "granite", "granitemoe", "helium", "internlm2",
    "internlm3", "mimo", "minimax", "mixtral", "nemotron", "olmo", "olmo2", "olmoe", "phi",
    "phi3", "phimoe", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "seed_oss", "smollm3",
    "stablelm", "starcoder2",
)
# fmt: on
_LAYER_TYPES = ("llama", "mistral", "ministral3", "iquestcoder")
_LATENT = ("deepseek_v3", "kimi_k2", "joyai_llm_flash", "glm4_moe_lite", "mistral4")

_RULES: dict[str, Callable[[Config], Attention]] = {
    **dict.fromkeys(ENCODERS, lambda config: Attention((), head_dim(config))),
    **dict.fromkeys(_GROUPED, _grouped),
    **dict.fromkeys(_LAYER_TYPES, _by_layer_types(None)),
    **dict.fromkeys(_LATENT, _latent),
    "deepseek_v2": _whole_heads,
    "youtu_llm": _whole_heads,
    "gpt_oss": _by_layer_types(2),
    "olmo3": _by_layer_types(4),
    "gemma3_text": _by_pattern(6),
    "gemma3": _by_pattern(6),
    "cohere2": _by_pattern(4),
}
