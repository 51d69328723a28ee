"""The starter model's own tokenizer and chat template, and training examples as token ids."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from starter.corpus import Conversation

VOCABULARY = 2048
PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (PAD, END, SYSTEM, USER, ASSISTANT)

# `<|` in a message is broken up, so that no message can pretend to end its turn and begin another.
CHAT_TEMPLATE = """\
{%- macro text(content) -%}
{%- if content is string -%}
{{ content | trim | replace('<|', '< |') }}
{%- elif content is iterable and content is not mapping -%}
{%- for part in content if part.type == 'text' -%}
{{ part.text | trim | replace('<|', '< |') }}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{%- if message.role in ('system', 'developer') -%}
<|system|>{{ text(message.content) }}<|end|>
{%- elif message.role == 'user' -%}
<|user|>{{ text(message.content) }}<|end|>
{%- elif message.role == 'assistant' -%}
<|assistant|>{{ text(message.content) }}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|assistant|>
{%- endif -%}
"""

ANSWER_WEIGHT, QUESTION_WEIGHT, SYSTEM_WEIGHT = 1.0, 0.1, 0.0
# Answers are soon known by heart; which one to give is decided by its first words. So most
# conversations end early, and the same budget of tokens holds about twice as many questions.
CUT_SHARE, CUT_LENGTH = 0.8, 14


@dataclass(frozen=True)
class Example:
    """Token ids and how much each counts in the loss when it is predicted."""

    ids: tuple[int, ...]
    weights: tuple[float, ...]


def train_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """Learn a byte-level BPE: any text has tokens; digits stand alone, so that numbers are read."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(
    tokenizer: Tokenizer, conversations: Sequence[Conversation], rng: Random
) -> list[Example]:
    """Turn conversations into examples, written exactly as the chat template writes them."""
    texts = {text for talk in conversations for text in _texts(talk)}
    ordered = sorted(texts)
    encoded = dict(zip(ordered, tokenizer.encode_batch(ordered), strict=True))
    special = dict(zip(SPECIAL, (tokenizer.encode(name).ids[0] for name in SPECIAL), strict=True))
    examples = []
    for talk in conversations:
        ids: list[int] = []
        weights: list[float] = []
        pieces = [] if talk.system is None else [(SYSTEM, talk.system, SYSTEM_WEIGHT)]
        for turn in talk.turns:
            pieces.append((USER, turn.question, QUESTION_WEIGHT))
            pieces.append((ASSISTANT, turn.answer, ANSWER_WEIGHT))
        for role, text, weight in pieces:
            body = [*encoded[text].ids, special[END]]
            ids += [special[role], *body]
            weights += [0.0, *[weight] * len(body)]
        end = len(ids)
        if rng.random() < CUT_SHARE:
            last_answer = 1 + len(encoded[talk.turns[-1].answer].ids)
            end -= max(0, last_answer - CUT_LENGTH)
        examples.append(Example(tuple(ids[:end]), tuple(weights[:end])))
    return examples


def _texts(talk: Conversation) -> Iterable[str]:
    if talk.system is not None:
        yield talk.system
    for turn in talk.turns:
        yield turn.question
        yield turn.answer


def write_tokenizer(tokenizer: Tokenizer, directory: Path, context: int) -> None:
    """Write the tokenizer in the layout that every MLX model has."""
    (directory / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context,
        "eos_token": END,
        "pad_token": PAD,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    text = json.dumps(settings, indent=2, sort_keys=True)
    (directory / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
