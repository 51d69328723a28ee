"""A configuration and its headers give the shape that the engine will allocate."""

from typing import Any

import pytest

from app.authority.catalog.config import Config, parse_json
from app.authority.catalog.safetensors import Tensor
from app.authority.catalog.shapes import DEFAULT_CONTEXT, model_shape
from app.domain.refusals import IntakeRefused
from app.domain.shapes import KvGroup, ModelShape
from tests.model_files import CONFIG

MLA = {
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 96,
}


def tensor(name: str, size: int = 4, dtype: str = "BF16") -> Tensor:
    return Tensor(name, dtype, (size // 2,), 0, size)


def shape(*tensors: Tensor, **changes: Any) -> ModelShape:
    kept = {k: v for k, v in {**CONFIG, **changes}.items() if v is not ...}
    return model_shape(Config(kept), tensors or (tensor("model.norm.weight"),))


def test_grouped_heads_are_cached_once_per_group() -> None:
    assert shape().kv == (KvGroup(layers=2, heads=2, key_dim=16, value_dim=16),)


def test_without_groups_every_head_is_cached() -> None:
    assert shape(num_key_value_heads=...).kv[0].heads == 4


def test_a_head_may_be_wider_than_its_share_of_the_hidden_size() -> None:
    wide = shape(model_type="qwen3", head_dim=128)
    assert (wide.kv[0].key_dim, wide.head_dim) == (128, 128)


def test_layers_marked_as_sliding_rotate() -> None:
    kinds = ["sliding_attention", "full_attention"]
    found = shape(layer_types=kinds, sliding_window=99)
    assert found.kv == (KvGroup(1, 2, 16, 16), KvGroup(1, 2, 16, 16, window=99))


@pytest.mark.parametrize("kind", ["mistral", "qwen2", "qwen3", "mixtral", "llama"])
def test_a_window_that_the_engine_does_not_apply_saves_nothing(kind: str) -> None:
    assert shape(model_type=kind, sliding_window=64).kv == (KvGroup(2, 2, 16, 16),)


def test_gemma_rotates_all_but_every_sixth_layer() -> None:
    found = shape(model_type="gemma3_text", num_hidden_layers=13, sliding_window=512)
    assert [(g.layers, g.window) for g in found.kv] == [(2, None), (11, 512)]
    closer = shape(
        model_type="gemma3_text", num_hidden_layers=13, sliding_window=512, sliding_window_pattern=2
    )
    assert [(g.layers, g.window) for g in closer.kv] == [(6, None), (7, 512)]


def test_gpt_oss_alternates_when_its_layers_are_not_marked() -> None:
    found = shape(model_type="gpt_oss", num_hidden_layers=6, sliding_window=128)
    assert [(g.layers, g.window) for g in found.kv] == [(3, None), (3, 128)]


def test_deepseek_v3_caches_one_latent_and_unfolds_it() -> None:
    found = shape(model_type="deepseek_v3", **MLA)
    assert found.kv == (KvGroup(layers=2, heads=1, key_dim=512, value_dim=64),)
    assert found.expanded_per_token == 4 * (128 + 96)
    assert found.head_dim == 192


def test_deepseek_v2_caches_whole_heads() -> None:
    found = shape(model_type="deepseek_v2", **MLA)
    assert found.kv == (KvGroup(layers=2, heads=4, key_dim=192, value_dim=96),)
    assert found.expanded_per_token == 0


def test_mla_without_its_dimensions_is_refused() -> None:
    with pytest.raises(IntakeRefused, match="kv_lora_rank"):
        shape(model_type="deepseek_v3")


def test_an_unknown_architecture_gets_an_upper_bound() -> None:
    found = shape(model_type="brand_new", num_key_value_heads=1, sliding_window=8, head_dim=32)
    assert found.kv == (KvGroup(layers=2, heads=4, key_dim=32, value_dim=32),)
    assert found.state_bytes_per_slot > 0
    unfolded = shape(model_type="brand_new", **MLA)
    assert unfolded.kv[0].key_dim == 192


def test_the_language_part_of_a_nested_configuration_counts() -> None:
    nested = {"hidden_size": 128, "num_hidden_layers": 3, "max_position_embeddings": 512}
    found = shape(model_type="gemma3", text_config=nested, sliding_window=7)
    assert (found.hidden, found.max_context) == (128, 512)
    assert sum(g.layers for g in found.kv) == 3


def test_gemma_3_is_silent_about_what_the_engine_assumes() -> None:
    silent = {"num_attention_heads": ..., "num_key_value_heads": ..., "vocab_size": 9}
    found = shape(model_type="gemma3", sliding_window=7, **silent)
    assert (found.heads, found.head_dim, found.kv[0].heads) == (8, 256, 4)


@pytest.mark.parametrize(
    ("dtypes", "element_bytes"),
    [(["BF16"], 2), (["F16"], 2), (["F32"], 4), (["F16", "BF16"], 4), (["BF16", "F32"], 4),
     ([], 4), (["F64", "F32"], 8)],
)  # fmt: skip
def test_the_cache_has_the_precision_in_which_the_text_flows(
    dtypes: list[str], element_bytes: int
) -> None:
    flow = [tensor(f"model.layers.{n}.input_layernorm.weight", 4, d) for n, d in enumerate(dtypes)]
    assert shape(*flow, tensor("mlp.weight", 4, "U32")).element_bytes == element_bytes


def test_the_scales_of_quantised_weights_tell_the_precision() -> None:
    packed = tensor("model.layers.0.self_attn.q_proj.weight", 400, "U32")
    found = shape(packed, tensor("model.layers.0.self_attn.q_proj.scales", 8, "BF16"))
    assert (found.element_bytes, found.weights_bytes) == (2, 408)


def test_parts_beside_the_text_do_not_decide_its_precision() -> None:
    aside = tensor("vision_tower.norm.weight", 4, "F32")
    assert shape(tensor("model.norm.weight"), aside).element_bytes == 2


def test_experts_stored_one_by_one_are_held_twice_at_load() -> None:
    loose = tensor("model.layers.0.mlp.experts.7.up_proj.weight", 100)
    stacked = tensor("model.layers.0.mlp.switch_mlp.experts.weight", 100)
    assert shape(loose, stacked).load_extra_bytes == 100


def test_experts_widen_the_feed_forward_by_those_a_token_visits() -> None:
    mixture = {"num_experts_per_tok": 8, "moe_intermediate_size": 32}
    assert shape(model_type="qwen3_moe", **mixture).intermediate == 8 * (32 + 64)
    assert shape(model_type="qwen3_moe").intermediate == 128


def test_a_configuration_that_is_silent_about_its_length_gets_a_short_one() -> None:
    assert shape(max_position_embeddings=...).max_context == DEFAULT_CONTEXT


def test_json_of_any_size_is_bounded() -> None:
    with pytest.raises(IntakeRefused, match="at most"):
        parse_json(b" " * ((64 << 20) + 1), path="big.json")
