"""The caches that feasibility counts are those that the engine makes, architecture by architecture.

Tiny models of each kind are built with the engine's own classes and run over a batch. This is what
fails when a new release of the engine caches differently.
"""

from typing import Any

import pytest

from app.authority.catalog.config import Config
from app.authority.catalog.safetensors import Tensor
from app.authority.catalog.shapes import model_shape
from app.authority.feasibility.mlx_terms import kv_bytes
from app.domain.feasibility import PREFILL_BATCH

pytestmark = pytest.mark.slow

CONTEXT, SLOTS, CHUNK = 768, 2, 512
LATENT: dict[str, Any] = {
    "kv_lora_rank": 32, "q_lora_rank": None, "qk_rope_head_dim": 16, "qk_nope_head_dim": 32,
    "v_head_dim": 48, "n_routed_experts": None, "first_k_dense_replace": 9,
    "moe_intermediate_size": 8, "topk_method": "noaux_tc", "scoring_func": "sigmoid",
}  # fmt: skip
BASE: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 3, "intermediate_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 64, "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5, "rope_theta": 1e4, "tie_word_embeddings": True, "head_dim": 16,
}  # fmt: skip

KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 64},
    "qwen2": {"sliding_window": 64, "head_dim": None},
    "qwen3": {},
    "gemma3_text": {"sliding_window": 100, "sliding_window_pattern": 2},
    "cohere2": {"sliding_window": 100, "sliding_window_pattern": 2},
    "ministral3": {
        "sliding_window": 100,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e4, "original_max_position_embeddings": 4096,
            "llama_4_scaling_beta": 0.1,
        },
    },
    "olmo3": {"sliding_window": 100, "num_hidden_layers": 4},
    "deepseek_v3": {**LATENT, "num_key_value_heads": 4, "head_dim": None},
    "deepseek_v2": {
        **LATENT, "num_key_value_heads": 4, "head_dim": None, "topk_method": "greedy",
        "rope_scaling": {"type": "yarn", "factor": 1.0, "original_max_position_embeddings": 4096,
                         "mscale": 1.0, "mscale_all_dim": 1.0, "beta_fast": 32, "beta_slow": 1},
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_caches_no_more_than_is_counted_and_hardly_less(kind: str) -> None:
    config = {**BASE, "model_type": kind, **KINDS[kind]}
    config = {name: value for name, value in config.items() if value is not None}
    cached = cached_bytes(config)
    norm = Tensor("model.norm.weight", "F32", (1,), 0, 4)
    counted = kv_bytes(model_shape(Config(config), [norm]), context=CONTEXT, slots=SLOTS)
    assert cached <= counted
    # Room for the step that a prompt of uneven length would have added.
    assert counted <= cached * (CONTEXT + 256) / CONTEXT * 1.1


def test_the_worker_reads_no_more_prompts_at_once_than_is_counted() -> None:
    from app.engines.worker.generator import prompts_at_once

    assert 1 <= prompts_at_once() <= PREFILL_BATCH


def cached_bytes(config: dict[str, Any]) -> int:
    """The most that the engine's caches hold while a full batch is read and one token drawn."""
    import mlx.core as mx
    from mlx_lm.generate import BatchGenerator
    from mlx_lm.utils import _get_classes

    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(config))
    mx.eval(model.parameters())
    generator = BatchGenerator(
        model, completion_batch_size=SLOTS, prefill_batch_size=SLOTS, prefill_step_size=CHUNK
    )
    prompts = [[n % 64 for n in range(CONTEXT - 2)] for _ in range(SLOTS)]
    generator.insert(prompts, [2] * SLOTS)
    most, finished = 0, 0
    while finished < SLOTS:
        _, responses = generator.next()
        most = max(most, generator.prompt_cache_nbytes)
        finished += sum(response.finish_reason is not None for response in responses)
    return most
