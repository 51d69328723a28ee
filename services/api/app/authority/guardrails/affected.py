"""Which tasks a change of the document concerns: exactly those whose trace read what changed. Pure.

A task is concerned when a key that its compilation looked up (there or not) has changed, or when a
phrase that came, went or means something else now occurs in the words of its intent.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.authority.guardrails.document.model import Document

SEPARATOR: Final = "/"


@dataclass(frozen=True, slots=True)
class Watched:
    """What a task's compilation depended on: a `Trace`'s reads and words."""

    task: str
    reads: frozenset[str]
    words: str


@dataclass(frozen=True, slots=True)
class Change:
    """`keys`: paths of leaves that differ. `phrases`: phrases that mean something else now."""

    keys: frozenset[str]
    phrases: frozenset[str]


class Affected:
    """An index over tasks, made once and asked for one change after another."""

    def __init__(self, tasks: Iterable[Watched]) -> None:
        self._words: dict[str, str] = {}
        by_read: dict[str, list[str]] = defaultdict(list)
        by_word: dict[str, list[str]] = defaultdict(list)
        for watched in tasks:
            self._words[watched.task] = f" {watched.words} "
            for read in watched.reads:
                by_read[read].append(watched.task)
            for word in set(watched.words.split()):
                by_word[word].append(watched.task)
        self._by_read = dict(by_read)
        self._by_word = dict(by_word)
        below: dict[str, list[str]] = defaultdict(list)
        for read in self._by_read:
            for section in _sections(read):
                below[section].append(read)
        self._below = dict(below)

    def by(self, change: Change) -> frozenset[str]:
        """The tasks that `change` concerns."""
        found: set[str] = set()
        for read in self._read(change.keys):
            found.update(self._by_read[read])
        for phrase in change.phrases:
            found.update(self._saying(phrase))
        return frozenset(found)

    def _read(self, keys: frozenset[str]) -> set[str]:
        """The reads that are one of `keys`, a section of one, or something in one."""
        found: set[str] = set()
        for key in keys:
            found.update(read for read in (key, *_sections(key)) if read in self._by_read)
            found.update(self._below.get(key, ()))
        return found

    def _saying(self, phrase: str) -> Iterator[str]:
        rarest = min((self._by_word.get(word, []) for word in phrase.split()), key=len, default=[])
        return (task for task in rarest if f" {phrase} " in self._words[task])


def vocabulary(document: Document) -> dict[str, frozenset[str]]:
    """Every phrase that intents can be written with, and what it stands for."""
    meanings: dict[str, set[str]] = defaultdict(set)
    for phrase, meaning in _phrases(document):
        meanings[phrase].add(meaning)
    return {phrase: frozenset(found) for phrase, found in meanings.items()}


def changed_phrases(
    before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The phrases of two vocabularies that came, went or mean something else."""
    return frozenset(
        phrase for phrase in before.keys() | after.keys() if before.get(phrase) != after.get(phrase)
    )


def _phrases(document: Document) -> Iterator[tuple[str, str]]:
    for action, said in document.actions.items():
        yield from ((phrase, f"actions/{action}") for phrase in said.words)
    for point, said in document.points.items():
        yield from ((phrase, f"points/{point}") for phrase in said.words)
    for name, guide in document.primitives.items():
        yield from ((phrase, f"primitives/{name}") for phrase in guide.words)
        yield from (
            (phrase, f"primitives/{name}/terms/{term.one_of}/{term.none_of}")
            for phrase, term in guide.terms.items()
        )
    for tier, words in document.severity.words.items():
        yield from ((phrase, f"severity/{tier}") for phrase in words)
    yield from ((phrase, "severity/urgent") for phrase in document.severity.urgent)
    for phrase, mapped in document.mappings.items():
        yield phrase, f"mappings/{mapped.strategy}/{mapped.direction}"


def _sections(key: str) -> Iterator[str]:
    """What `key` lies in: of ``a/b/c``, ``a/b`` and ``a``."""
    at = key.rfind(SEPARATOR)
    while at > 0:
        key = key[:at]
        yield key
        at = key.rfind(SEPARATOR)
