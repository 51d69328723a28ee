"""A small language for questions: `how [do|can] I start <it>[| now]`.

`[a|b|]` is a choice and nests; `<name>` is a choice defined elsewhere, so that one list of subjects
serves a hundred questions. A few lines of it stand for thousands of sentences, which is what lets
a tiny model learn the meaning and not the wording.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

_TOKEN = re.compile(r"\[|\]|\||<[a-z]+>|[^\[\]|<]+|<")


class PatternError(ValueError):
    """A pattern whose brackets do not match, or that names an unknown word."""


@dataclass(frozen=True)
class Word:
    """A reference such as `<it>`."""

    name: str


@dataclass(frozen=True)
class Choice:
    """One of several sequences."""

    options: tuple["Sequence_", ...]


Part = str | Word | Choice
Sequence_ = tuple[Part, ...]


@cache
def parse(pattern: str) -> Choice:
    """Read a pattern once; the same few hundred are expanded a hundred thousand times."""
    tokens = _TOKEN.findall(pattern)
    choice, end = _options(tokens, 0)
    if end != len(tokens):
        raise PatternError(f"unmatched ']' in {pattern!r}")
    return choice


def _options(tokens: Sequence[str], at: int) -> tuple[Choice, int]:
    options: list[Sequence_] = []
    parts: list[Part] = []
    while at < len(tokens) and tokens[at] != "]":
        token = tokens[at]
        at += 1
        if token == "|":
            options.append(tuple(parts))
            parts = []
        elif token == "[":
            choice, at = _options(tokens, at)
            if at >= len(tokens):
                raise PatternError(f"unmatched '[' in {''.join(tokens)!r}")
            at += 1
            parts.append(choice)
        elif len(token) > 2 and token[0] == "<":
            parts.append(Word(token[1:-1]))
        else:
            parts.append(token)
    options.append(tuple(parts))
    return Choice(tuple(options)), at


def expand(pattern: str, words: Mapping[str, str], rng: Random) -> str:
    """Make one sentence of a pattern, every choice decided by `rng`."""
    return " ".join(_expand(parse(pattern), words, rng).split())


def _expand(choice: Choice, words: Mapping[str, str], rng: Random) -> str:
    text = ""
    for part in rng.choice(choice.options):
        if isinstance(part, str):
            text += part
        elif isinstance(part, Choice):
            text += _expand(part, words, rng)
        elif part.name in words:
            text += _expand(parse(words[part.name]), words, rng)
        else:
            raise PatternError(f"unknown word <{part.name}>")
    return text
