"""The rows of aliases: each leads to a model, and where that cannot be had to further ones."""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, text

Chain = tuple[str, ...]
"""Ids of models in the order in which they are tried; never empty, none twice."""

MAX_CHAIN: Final = 8

_ALL: Final = text("SELECT alias, model_id, fallbacks FROM model_alias ORDER BY alias")
_PUT: Final = text(
    "INSERT INTO model_alias (alias, model_id, fallbacks) VALUES (:alias, :id, :fallbacks)"
    " ON CONFLICT (alias) DO UPDATE"
    " SET model_id = excluded.model_id, fallbacks = excluded.fallbacks"
)
_DROP: Final = text("DELETE FROM model_alias WHERE alias = :alias")


def chains(connection: Connection) -> dict[str, Chain]:
    """Every alias, in order, with the models that it leads to."""
    rows = connection.execute(_ALL)
    return {row.alias: chain_of(row.model_id, row.fallbacks) for row in rows}


def chain_of(model_id: str, fallbacks: str) -> Chain:
    """The chain of a row, whose fallbacks are a JSON list."""
    return (model_id, *map(str, json.loads(fallbacks)))


def put(connection: Connection, alias: str, chain: Chain) -> None:
    """Let `alias` lead there; without any model it leads nowhere and is forgotten."""
    if not chain:
        connection.execute(_DROP, {"alias": alias})
        return
    first, *rest = chain
    connection.execute(_PUT, {"alias": alias, "id": first, "fallbacks": json.dumps(rest)})


def leave(connection: Connection, model_id: str) -> None:
    """Take a model out of every chain: aliases that led to it first lead to their next one."""
    for alias, chain in chains(connection).items():
        if model_id in chain:
            put(connection, alias, without(chain, {model_id}))


def come_back(
    connection: Connection, model_id: str, left: Mapping[str, Chain], known: Iterable[str]
) -> None:
    """Put a model back where it was in the chains that it left.

    `left`: those chains as they were; `known`: the models that there are. An alias that people
    changed meanwhile stays as they want it.
    """
    now, gone = chains(connection), {m for chain in left.values() for m in chain} - {*known}
    for alias, before in left.items():
        chain = without(before, gone - {model_id})
        if now.get(alias, ()) == without(chain, {model_id}):
            put(connection, alias, chain)


def without(chain: Chain, gone: set[str]) -> Chain:
    return tuple(model_id for model_id in chain if model_id not in gone)


def words(chain: Chain) -> str:
    """As records say it: ``a/b, then a/c``; nothing for an alias that leads nowhere."""
    return ", then ".join(chain)
