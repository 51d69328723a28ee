"""Biases and penalties on logits, as OpenAI and Hugging Face define them.

Presence and frequency penalties look at the answer alone, over all of it: ``logit -= presence +
frequency * count`` for every token said before (OpenAI's API reference, "frequency and presence
penalties"). The repetition penalty looks at prompt and answer: a positive logit is divided by it, a
negative one multiplied (Keskar et al., CTRL, 2019, section 4.1).
"""

from collections.abc import Callable

import mlx.core as mx

from app.domain.generation import Sampling

Processor = Callable[[mx.array, mx.array], mx.array]
"""Tokens so far, prompt included, and logits (1, vocabulary) in; logits out."""


def penalties_of(sampling: Sampling, *, prompt_tokens: int, vocab_size: int) -> list[Processor]:
    """What a request asked for, in the order in which it is applied; nothing for most requests.

    Tokens that the model does not have are ignored in a bias, as they can never be drawn.
    """
    made: list[Processor] = []
    if sampling.repetition_penalty != 1.0:
        made.append(_repetition(sampling.repetition_penalty))
    if sampling.presence_penalty or sampling.frequency_penalty:
        made.append(
            _frequency(sampling.presence_penalty, sampling.frequency_penalty, prompt_tokens)
        )
    known = [(token, bias) for token, bias in sampling.logit_bias if token < vocab_size]
    if known:
        made.append(_bias(known))
    return made


def _repetition(penalty: float) -> Processor:
    def process(tokens: mx.array, logits: mx.array) -> mx.array:
        if not tokens.size:
            return logits
        said = logits[:, tokens]
        # A token that was said twice is written twice with the same value.
        logits[:, tokens] = mx.where(said < 0, said * penalty, said / penalty)
        return logits

    return process


def _frequency(presence: float, frequency: float, prompt_tokens: int) -> Processor:
    def process(tokens: mx.array, logits: mx.array) -> mx.array:
        answer = tokens[prompt_tokens:]
        if not answer.size:
            return logits
        counts = mx.zeros((logits.shape[-1],), dtype=mx.float32).at[answer].add(1.0)
        return logits - (presence * (counts > 0) + frequency * counts).astype(logits.dtype)

    return process


def _bias(known: list[tuple[int, float]]) -> Processor:
    tokens = mx.array([token for token, _ in known])
    biases = mx.array([bias for _, bias in known])

    def process(_: mx.array, logits: mx.array) -> mx.array:
        return logits.at[:, tokens].add(biases.astype(logits.dtype))

    return process
