"""What the starter model is to know: read from `text/`, checked as it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from starter.patterns import expand
from starter.places import TEXT

FACT_FILES = ("about", "starting", "clients", "keys", "models", "concepts")
SECTIONS = ("do", "term", "where", "ask")


@dataclass(frozen=True)
class Fact:
    """One answer and the ways to ask for it: pairs of a form (or none) and a phrase."""

    id: str
    answer: str
    phrases: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Knowledge:
    """Everything the training text is made of."""

    facts: tuple[Fact, ...]
    forms: Mapping[str, tuple[str, ...]]
    words: Mapping[str, str]
    other_answer: str
    other_words: Mapping[str, str]
    other_forms: tuple[str, ...]
    other_plain: tuple[str, ...]
    systems: tuple[str, ...]

    def ask(self, fact: Fact, rng: Random) -> str:
        """One question that this fact answers."""
        section, phrase = rng.choice(fact.phrases)
        text = expand(phrase, self.words, rng)
        if section == "ask":
            return text
        form = expand(rng.choice(self.forms[section]), self.words, rng)
        return form.replace("{x}", text)

    def ask_other(self, rng: Random) -> str:
        """One question that has nothing to do with the product."""
        if rng.random() < 0.5:
            return rng.choice(self.other_plain)
        return expand(rng.choice(self.other_forms), self.other_words, rng)


def load_knowledge(directory: Path = TEXT) -> Knowledge:
    """Read all text; a fact with an unknown key or without a question is an error."""
    shapes = _read(directory / "shapes.yaml")
    other = _read(directory / "off_subject.yaml")
    facts = [_fact(entry) for name in FACT_FILES for entry in _read(directory / f"{name}.yaml")]
    ids = [fact.id for fact in facts]
    if len(ids) != len(set(ids)):
        raise ValueError("two facts share an id")
    return Knowledge(
        facts=tuple(facts),
        forms={name: tuple(shapes[name]) for name in ("do", "term", "where")},
        words=shapes["words"],
        other_answer=other["answer"],
        other_words=other["words"],
        other_forms=_lines(other["forms"]),
        other_plain=_lines(other["plain"]),
        systems=tuple(_read(directory / "systems.yaml")),
    )


def _fact(entry: dict[str, str]) -> Fact:
    unknown = entry.keys() - {"id", "answer", *SECTIONS}
    if unknown:
        raise ValueError(f"fact {entry.get('id')!r}: unknown {sorted(unknown)}")
    phrases = [(section, line) for section in SECTIONS for line in _lines(entry.get(section, ""))]
    if not phrases:
        raise ValueError(f"fact {entry['id']!r} has no question")
    # A phrase in `do` stands for many more questions than a line in `ask`.
    doubled = [pair for pair in phrases if pair[0] in ("do", "where")]
    return Fact(entry["id"], entry["answer"], tuple(phrases + doubled))


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
