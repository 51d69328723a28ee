"""The model that the benchmarks run: the starter model with its end taken away, or a stand-in.

A decode benchmark needs answers of one known length, from both sides. So the copy's end token is
the padding token, which no model draws: an answer lasts until `max_tokens`. The weights are the
same bytes.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from bench.child import ROOT

STARTER = ROOT / "models/lmx/starter"
END_IS_PADDING = ("config.json", "generation_config.json")


def bench_model(directory: Path) -> tuple[Path, str]:
    """Write the model to `directory`; returns it and what to call it in the table."""
    if (STARTER / "model.safetensors").exists():
        return _endless(STARTER, directory), "starter model"
    from tests.models import tiny_model

    stand_in = tiny_model(directory, layers=6, hidden=256, vocab=900, context=1024)
    return stand_in, "stand-in of 4 M parameters, fp32"


def random_model(directory: Path, *, context: int = 1024) -> tuple[Path, str]:
    """A model of the size of small real ones, with random weights; its answers never end."""
    from tests.models import tiny_model

    made = tiny_model(directory, layers=8, hidden=512, vocab=900, context=context)
    return made, "random model of 20 M parameters, fp32"


def _endless(source: Path, directory: Path) -> Path:
    shutil.copytree(source, directory)
    tokenizer = _read(directory / "tokenizer_config.json")
    padding = tokenizer["pad_token"]
    if isinstance(padding, dict):
        padding = padding["content"]
    _write(directory / "tokenizer_config.json", tokenizer | {"eos_token": padding})
    number = _token_number(directory, padding)
    for name in END_IS_PADDING:
        if (directory / name).exists():
            _write(directory / name, _read(directory / name) | {"eos_token_id": number})
    return directory


def _token_number(directory: Path, token: str) -> int:
    for added in _read(directory / "tokenizer.json")["added_tokens"]:
        if added["content"] == token:
            return int(added["id"])
    raise ValueError(f"{directory} has no token {token}")


def _read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


SUBJECTS = "keys,models,the ledger,memory,rules,imports,workers,approvals,logs,ports".split(",")
CONSONANTS = "bcdfghjklmnpqrstvwxz"


def prompts(count: int, *, first: int) -> list[str]:
    """Prompts of nearly equal length that differ from their first letters on.

    `mlx_lm.server` keeps the caches of its last prompts: with a common beginning it would prefill
    less than it is compared with.
    """
    return [
        f"{_word(number)}: what does the server do about {SUBJECTS[number % len(SUBJECTS)]}?"
        for number in range(first, first + count)
    ]


def _word(number: int) -> str:
    """Four letters; those of neighbouring numbers begin differently."""
    letters = []
    for _ in range(4):
        number, letter = divmod(number * 7 + 3, len(CONSONANTS))
        letters.append(CONSONANTS[letter])
    return "".join(letters)
