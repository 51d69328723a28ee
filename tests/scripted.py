"""A tiny model whose weights hold answers: what it says is known, and it is still a real model.

Each piece of an answer is one token, and each token has one successor: the residual stream carries
the last token alone (attention and MLP write nothing), and the output matrix maps it to the next.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests.models import END_TOKEN, tiny_model, write_safetensors

_HIDDEN = 128
_FIRST_FREE = 256  # after the bytes; `tiny_model` has words of two letters there
_VOCABULARY = 400

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>\n"
    "{% set tool_call = call.function %}{{ tool_call.name }}{{ tool_call.arguments | tojson }}"
    "\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    "<|im_start|>assistant\n{{ '<|script:' ~ script ~ '|>' }}"
)
"""Knows tools. The variable `script` chooses the answer."""


def scripted_model(
    directory: Path, scripts: Mapping[str, Sequence[str]], *, chat_template: str = CHAT_TEMPLATE
) -> Path:
    """A loadable model that answers with the pieces of a script, then ends.

    No piece may be in two places. Pieces like `<|this|>` are special tokens.
    """
    tiny_model(
        directory, layers=1, hidden=_HIDDEN, vocab=_VOCABULARY, context=4096, chat_template=None
    )
    chains = [[f"<|script:{name}|>", *pieces] for name, pieces in scripts.items()]
    texts = [text for chain in chains for text in chain]
    if len(set(texts)) != len(texts) or len(texts) >= _HIDDEN:
        raise ValueError("a piece is in two places, or there are too many")
    tokens = {text: _FIRST_FREE + number for number, text in enumerate(texts)}
    _rewrite(directory / "tokenizer.json", lambda was: _with_tokens(was, tokens))
    told = {"chat_template": chat_template}
    _rewrite(directory / "tokenizer_config.json", lambda was: was | told)
    _write_weights(directory / "model.safetensors", chains, tokens)
    return directory


def _with_tokens(tokenizer: dict[str, Any], tokens: Mapping[str, int]) -> dict[str, Any]:
    """The words make room for whole pieces of answers, which are found in any text."""
    model = tokenizer["model"]
    model["vocab"] = {text: n for text, n in model["vocab"].items() if n < _FIRST_FREE}
    model["merges"] = []
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    spare = range(_FIRST_FREE + len(tokens), _VOCABULARY - len(tokenizer["added_tokens"]))
    every = {**tokens, **{f"<|spare:{number}|>": number for number in spare}}
    tokenizer["added_tokens"] += [
        {**plain, "id": number, "content": text, "special": text.startswith("<|")}
        for text, number in every.items()
    ]
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    return tokenizer


def _write_weights(path: Path, chains: Sequence[Sequence[str]], tokens: Mapping[str, int]) -> None:
    tensors = load_file(path)
    end = _VOCABULARY - 1  # where `tiny_model` puts END_TOKEN
    embedding = np.zeros_like(tensors["model.embed_tokens.weight"])
    output = np.zeros_like(tensors["lm_head.weight"])
    for chain in chains:
        for text, following in zip(chain, [*chain[1:], END_TOKEN], strict=True):
            place = tokens[text] - _FIRST_FREE
            embedding[tokens[text], place] = 1.0
            output[tokens.get(following, end), place] = 5.0
    for name in ("self_attn.o_proj", "mlp.down_proj"):
        tensors[f"model.layers.0.{name}.weight"][:] = 0.0
    tensors |= {"model.embed_tokens.weight": embedding, "lm_head.weight": output}
    write_safetensors(path, tensors)


def _rewrite(path: Path, change: Any) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")
