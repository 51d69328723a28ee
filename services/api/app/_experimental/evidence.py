"""The only place where advisors take evidence: read from the snapshot, so that it cannot differ."""

from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from app.domain.advice.proposals import Evidence
from app.domain.advice.snapshot import AliasFacts, HostFacts, ModelFacts, Snapshot

MOST = 16
"""Facts that a proposal may bring."""


def fact(snapshot: Snapshot, *path: str) -> Evidence:
    """The fact at this path of the snapshot's JSON: `fact(snapshot, "models", id, "requests")`.

    Raises LookupError where the snapshot has no such path, ValueError where a list or an object is
    there: evidence is one value.
    """
    match path:
        case ("taken_us",):
            return Evidence(path, snapshot.taken_us)
        case ("days",):
            return Evidence(path, snapshot.days)
        case ("host", name):
            value = _plain(snapshot.host)[name]
        case ("models", model, name):
            value = _plain(snapshot.models[model])[name]
        case ("aliases", alias, name):
            value = _plain(snapshot.aliases[alias])[name]
        case _:
            raise LookupError(f"no single fact is at {'.'.join(path)}")
    if not (value is None or isinstance(value, bool | int | str)):
        raise ValueError(f"{'.'.join(path)} is more than one value")
    return Evidence(path, value)


def of_model(snapshot: Snapshot, model: str, names: Iterable[str]) -> tuple[Evidence, ...]:
    return tuple(fact(snapshot, "models", model, name) for name in names)


def of_alias(snapshot: Snapshot, alias: str, names: Iterable[str]) -> tuple[Evidence, ...]:
    return tuple(fact(snapshot, "aliases", alias, name) for name in names)


def of_host(snapshot: Snapshot, names: Iterable[str]) -> tuple[Evidence, ...]:
    return tuple(fact(snapshot, "host", name) for name in names)


@lru_cache(maxsize=1_024)
def _plain(facts: HostFacts | ModelFacts | AliasFacts) -> dict[str, Any]:
    """Many facts are taken of the same few."""
    return asdict(facts)
