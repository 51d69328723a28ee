"""Checks of a document: an intent can be written with its words, each for one thing. Pure."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import cast

from app.authority.guardrails.document.context import Context
from app.authority.guardrails.document.model import Document, PrimitiveGuide, Words
from app.authority.guardrails.document.names import repeated
from app.authority.guardrails.document.problems import Fault, Path
from app.authority.guardrails.grammar import COMPARES, RESERVED
from app.authority.guardrails.values import TIERS, Action

_WORD = r"[^\W_]+(?:['-][^\W_]+)*"
_PHRASE = re.compile(f"{_WORD}(?: {_WORD})*")
_SET = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MOST_CHARACTERS = 80
_MOST_SHIFT = 2


def vocabulary(document: Document) -> Iterator[tuple[Path, str, str]]:
    """Every phrase that an intent can be written with: where it stands, and for what."""
    for action, said in document.actions.items():
        yield from _listed(("actions", action, "words"), said.words, f"the action {action}")
    for point, said in document.points.items():
        yield from _listed(("points", point, "words"), said.words, f"the point {point}")
    for name, guide in document.primitives.items():
        yield from _listed(("primitives", name, "words"), guide.words, name)
        for phrase in guide.terms:
            yield ("primitives", name, "terms", phrase), phrase, f"a set of {name}"
    for tier, words in document.severity.words.items():
        yield from _listed(("severity", "words", tier), words, f"severity {tier}")
    yield from _listed(("severity", "urgent"), document.severity.urgent, "urgency")
    for phrase in document.mappings:
        yield ("mappings", phrase), phrase, "a mapping"


def _listed(path: Path, phrases: tuple[str, ...], meaning: str) -> Iterator[tuple[Path, str, str]]:
    for at, phrase in enumerate(phrases):
        yield (*path, at), phrase, meaning


def phrases(context: Context) -> Iterator[Fault]:
    """Every phrase is normalised, and no two things have the same."""
    meanings = {
        label: f"a value of {name}"
        for name in context.document.primitives
        for label in (context.primitives[name].labels if name in context.primitives else ())
    }
    for path, phrase, meaning in vocabulary(context.document):
        yield from _ill_formed(path, phrase)
        if phrase in RESERVED and not _says_the_same(context.document, path, phrase):
            yield Fault(
                path, f"{phrase} means something in every intent: write {meaning} another way."
            )
        first = meanings.setdefault(phrase, meaning)
        if first != meaning:
            yield Fault(
                path,
                f"{phrase} stands for {first} already, and here for {meaning}: an intent with it "
                "would be ambiguous. Keep one of them.",
            )
    for phrase, shift in context.document.bias_rules.items():
        yield from _ill_formed(("bias_rules", phrase), phrase)
        if abs(shift) > _MOST_SHIFT:
            yield Fault(("bias_rules", phrase), "A shift must be -2, -1, 0, 1 or 2 tiers.")


def _says_the_same(document: Document, path: Path, phrase: str) -> bool:
    """A mapping of a comparator means what that means anyway: it says what is compared, too."""
    mapped = document.mappings[phrase] if path[0] == "mappings" else None
    return (
        mapped is not None
        and mapped.strategy == "threshold"
        and mapped.direction is not None
        and mapped.direction == COMPARES.get(phrase)
    )


def _ill_formed(path: Path, phrase: str) -> Iterator[Fault]:
    normal = " ".join(unicodedata.normalize("NFC", phrase).lower().split())
    if len(phrase) > _MOST_CHARACTERS:
        yield Fault(path, f"A phrase has at most {_MOST_CHARACTERS} characters: shorten it.")
    elif not _PHRASE.fullmatch(normal):
        yield Fault(
            path,
            f"{phrase!r} is no phrase: write words of letters and digits, separated by spaces.",
        )
    elif normal != phrase:
        yield Fault(path, f"Write {phrase!r} as {normal!r}: in lower case, with single spaces.")


def presence(context: Context) -> Iterator[Fault]:
    """What every document has words for, and lists that say something."""
    document = context.document
    for tier in TIERS:
        if not document.severity.words.get(tier.value):
            yield Fault(
                ("severity", "words", tier.value),
                f"Give words for severity {tier.value}: no one can say it.",
            )
    for action in Action:
        if action.value not in document.actions:
            yield Fault(
                ("actions", action.value),
                f"Give words for the action {action.value}: all three are needed.",
            )
    sections: dict[str, Mapping[str, Words] | Mapping[str, PrimitiveGuide]] = {
        "actions": cast("Mapping[str, Words]", document.actions),
        "points": cast("Mapping[str, Words]", document.points),
        "primitives": document.primitives,
    }
    for section, named in sections.items():
        for name, said in named.items():
            path: Path = (section, name, "words")
            if not said.words:
                yield Fault(path, f"Give words for {name}: nothing else can say it in an intent.")
            yield from repeated(path, said.words)
    for name, words in document.severity.words.items():
        yield from repeated(("severity", "words", name), words)
    yield from repeated(("severity", "urgent"), document.severity.urgent)


def texts(context: Context) -> Iterator[Fault]:
    """Sets have normalised values, and instructions say something."""
    for name, values in context.document.domain.sets.items():
        path: Path = ("domain", "sets", name)
        if not _SET.fullmatch(name):
            yield Fault(path, f"Name the set {name!r} with a-z, 0-9 and _, and a letter first.")
        if not values:
            yield Fault(path, f"Put something into {name}, or take it and its terms out.")
        yield from repeated(path, values)
        for at, value in enumerate(values):
            normal = unicodedata.normalize("NFC", value).strip().lower()
            if not value or value != normal:
                yield Fault(
                    (*path, at), f"Write {value!r} in lower case, without spaces around it."
                )
    path = ("application_context", "instructions")
    instructions = context.document.application_context.instructions
    yield from repeated(path, instructions)
    for at, sentence in enumerate(instructions):
        if not sentence.strip():
            yield Fault((*path, at), "An instruction is a sentence: write one, or take it out.")
