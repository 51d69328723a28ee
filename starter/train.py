"""Trains the starter model on the CPU from fixed seeds."""

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from random import Random

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from starter.corpus import conversations
from starter.model import Llama, Shape
from starter.tokens import Example, encode, train_tokenizer

SEED = 1234
TOKENIZER_SAMPLE = 12_000


@dataclass(frozen=True)
class Recipe:
    """What decides the training; the defaults are the shipped model's."""

    tokens: int = 5_600_000
    batch_tokens: int = 2560
    matrix_rate: float = 0.02
    other_rate: float = 4e-3
    warmup: int = 40
    weight_decay: float = 0.05
    threads: int = 2
    seed: int = SEED
    # Ends training by then on a slow machine; how much is learned then depends on its speed.
    minutes: float = math.inf


# For a model that knows most of it already: gentler steps, and questions it has not met.
FURTHER = Recipe(tokens=1_000_000, matrix_rate=0.012, other_rate=2.5e-3, seed=SEED + 100)


def train(recipe: Recipe) -> tuple[Llama, Tokenizer]:
    """Make a tokenizer and a model from nothing, and train it."""
    torch.manual_seed(recipe.seed)
    tokenizer = train_tokenizer(_tokenizer_texts())
    model = Llama(Shape(vocabulary=tokenizer.get_vocab_size()))
    train_further(model, tokenizer, recipe)
    return model, tokenizer


def train_further(model: Llama, tokenizer: Tokenizer, recipe: Recipe) -> None:
    """Train a model on conversations drawn with the recipe's seed, and say how it goes."""
    torch.set_num_threads(recipe.threads)
    batches = _batches(tokenizer, recipe)
    parameters = sum(weight.numel() for weight in model.parameters())
    examples = sum(len(batch) for batch in batches)
    print(
        f"{parameters:,} parameters, {len(batches):,} batches, {examples:,} conversations",
        flush=True,
    )
    _optimise(model, batches, recipe)


def _tokenizer_texts() -> list[str]:
    texts: list[str] = []
    for talk in islice(conversations(SEED + 1), TOKENIZER_SAMPLE):
        for turn in talk.turns:
            texts += (turn.question, turn.answer)
    return texts


def _batches(tokenizer: Tokenizer, recipe: Recipe) -> list[list[Example]]:
    """Draw examples until the token budget is spent; each batch holds one length, rounded up.

    Few shapes, met again and again: the kernels of a new shape cost more than a step does.
    """
    stream = conversations(recipe.seed)
    rng = Random(recipe.seed)
    waiting: dict[int, list[Example]] = defaultdict(list)
    batches: list[list[Example]] = []
    drawn = 0
    while drawn < recipe.tokens:
        for example in encode(tokenizer, list(islice(stream, 2048)), rng):
            drawn += len(example.ids)
            length = _rounded(len(example.ids))
            waiting[length].append(example)
            if len(waiting[length]) >= max(1, recipe.batch_tokens // length):
                batches.append(waiting.pop(length))
    return batches


def _rounded(length: int, step: int = 8) -> int:
    return -(-length // step) * step


def _tensors(batch: list[Example]) -> tuple[Tensor, Tensor]:
    length = max(_rounded(len(example.ids)) for example in batch) + 1
    ids = torch.zeros(len(batch), length, dtype=torch.long)
    weights = torch.zeros(len(batch), length)
    for row, example in enumerate(batch):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        weights[row, : len(example.ids)] = torch.tensor(example.weights)
    return ids, weights


def _loss(model: Llama, ids: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy; positions that count for nothing are not even scored."""
    targets, share = ids[:, 1:].flatten(), weights[:, 1:].flatten()
    counted = share.nonzero().flatten()
    counted = functional.pad(counted, (0, _rounded(len(counted), 512) - len(counted)))
    share = share[counted]
    share[int((weights[:, 1:] > 0).sum()) :] = 0.0
    hidden = model(ids[:, :-1]).flatten(0, 1)
    losses = functional.cross_entropy(
        model.logits(hidden[counted]), targets[counted], reduction="none"
    )
    return (losses * share).sum() / share.sum()


def _rate(step: int, done: float, recipe: Recipe) -> float:
    """Share of the peak rate: a linear warm-up under a cosine that ends at a fiftieth."""
    falling = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return falling * min(1.0, (step + 1) / recipe.warmup)


def _optimisers(model: Llama, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, which halves the tokens needed; AdamW elsewhere."""
    inside = [weight for weight in model.layers.parameters() if weight.dim() == 2]
    known = {id(weight) for weight in inside}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        torch.optim.Muon(inside, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay),
        torch.optim.AdamW(others, lr=recipe.other_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _optimise(model: Llama, batches: list[list[Example]], recipe: Recipe) -> None:
    optimisers = _optimisers(model, recipe)
    peaks = (recipe.matrix_rate, recipe.other_rate)
    began = time.monotonic()
    seen, smooth = 0, 0.0
    for step, batch in enumerate(batches):
        done = max(step / len(batches), (time.monotonic() - began) / (60 * recipe.minutes))
        if done >= 1.0:
            break
        ids, weights = _tensors(batch)
        loss = _loss(model, ids, weights)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        share = _rate(step, done, recipe)
        for optimiser, peak in zip(optimisers, peaks, strict=True):
            optimiser.param_groups[0]["lr"] = peak * share
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        seen += ids.numel()
        smooth = loss.item() if step == 0 else 0.95 * smooth + 0.05 * loss.item()
        if step % 20 == 0 or step == len(batches) - 1:
            took = time.monotonic() - began
            print(
                f"step {step}/{len(batches)}  loss {smooth:.4f}  "
                f"{seen / took:,.0f} tokens/s  {took:.0f} s",
                flush=True,
            )
