"""Loads a model from verified files with mlx-lm: safetensors only, and no code from the model."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.utils import MODEL_REMAPPING, load_model, load_tokenizer

from app.engines.worker.backend import CannotLoad
from app.engines.worker.bodies import classes_of_body, is_body_only
from app.engines.worker.markers import NO_MARKERS, Markers, control_tokens, markers_of
from app.engines.worker.sampling import Defaults
from app.engines.worker.templates import named_templates
from app.engines.worker.text import TextStream, TextStreams

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")

# Freed buffers that MLX may keep for itself, so that the memory it holds stays what was promised.
CACHE_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with what turns text into its tokens and back: a `Language`."""

    model: Any
    tokenizer: Any
    vocab_size: int
    end_tokens: frozenset[int]
    chat_templates: Mapping[str, str]
    template_constants: Mapping[str, str]
    text_streams: TextStreams
    defaults: Defaults
    longest_token: int
    control_tokens: Sequence[str] = ()
    markers: Markers = NO_MARKERS

    def encode(self, text: str, *, special: bool) -> list[int]:
        tokens: list[int] = self.tokenizer.encode(text, add_special_tokens=special)
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens)))

    def bytes_of(self, token: int) -> bytes:
        return self.text_streams.bytes_of(token)

    def new_text_stream(self, shown: Sequence[str] = ()) -> TextStream:
        return self.text_streams(shown)


def load(directory: Path, *, memory_limit_bytes: int) -> LoadedModel:
    """Raises `CannotLoad`, or whatever MLX and mlx-lm raise for files that lie."""
    refuse_code(read_config(directory))
    mx.set_cache_limit(CACHE_LIMIT_BYTES)
    mx.set_memory_limit(memory_limit_bytes)
    special = {"get_model_classes": classes_of_body} if is_body_only(directory) else {}
    model, config = load_model(
        directory, lazy=False, strict=True, trust_remote_code=False, **special
    )
    wrapper = load_tokenizer(
        directory,
        {"trust_remote_code": False, "local_files_only": True},
        eos_token_ids=config.get("eos_token_id"),
    )
    tokenizer = wrapper._tokenizer  # noqa: SLF001 - the wrapper guesses at tools and thinking
    templates = named_templates(tokenizer.chat_template)
    markers = _markers(tokenizer, templates)
    added = {t.content: bool(t.special) for t in tokenizer.added_tokens_decoder.values()}
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        vocab_size=_vocab_size(config, tokenizer),
        end_tokens=frozenset(wrapper.eos_token_ids),
        chat_templates=templates,
        template_constants=_text_only(tokenizer.special_tokens_map),
        text_streams=TextStreams(tokenizer, directory),
        defaults=Defaults.read(directory / "generation_config.json"),
        longest_token=max(len(token) for token in tokenizer.get_vocab()),
        control_tokens=control_tokens(added, templates, (markers.think_start, markers.think_end)),
        markers=markers,
    )


def refuse_code(config: Mapping[str, Any]) -> None:
    """Only architectures that mlx-lm ships. A config may name Python files; none is run."""
    if config.get("model_file") is not None:
        raise CannotLoad("config.json names a model_file: code from a model is never run.")
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or not _PLAIN_NAME.fullmatch(model_type):
        raise CannotLoad("config.json has no model_type that could name an architecture.")
    module = MODEL_REMAPPING.get(model_type, model_type)
    if find_spec(f"mlx_lm.models.{module}") is None:
        raise CannotLoad(f"mlx-lm does not know the architecture {model_type!r}.")


def read_config(directory: Path) -> dict[str, Any]:
    """A model's config.json. Raises `CannotLoad`."""
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CannotLoad("config.json cannot be read as JSON.") from error
    if not isinstance(config, dict):
        raise CannotLoad("config.json is not a JSON object.")
    return config


def _vocab_size(config: Mapping[str, Any], tokenizer: Any) -> int:
    """Rows of the embedding: a larger id would read outside it."""
    text_config = config.get("text_config")
    inner = text_config if isinstance(text_config, dict) else {}
    size = config.get("vocab_size") or inner.get("vocab_size") or len(tokenizer)
    return int(size)


def _markers(tokenizer: Any, templates: Mapping[str, str]) -> Markers:
    parser = tokenizer.init_kwargs.get("tool_parser_type")
    return markers_of(
        templates,
        tokenizer.get_vocab(),
        tuple(t.content for t in tokenizer.added_tokens_decoder.values() if t.special),
        lambda text: list(tokenizer.encode(text, add_special_tokens=False)),
        parser=parser if isinstance(parser, str) else None,
    )


def _text_only(special: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(token) for name, token in special.items() if isinstance(token, str)}
