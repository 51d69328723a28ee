"""docs/http.md tells of every route who may use it, what it takes and how it answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.authority.permissions import ROLES
from app.domain.refusals import Refusal
from app.routers.errors import WIRE
from tools.contract_page import endpoints
from tools.http_access import ALWAYS, INFERENCE, REFUSED, WHO, permission_of
from tools.http_page import page
from tools.http_values import type_of


@pytest.fixture(scope="module")
def routes() -> Sequence[tuple[str, str, str, Mapping[str, Any]]]:
    return tuple(endpoints())


def test_every_route_is_there_with_who_may_use_it(
    routes: Sequence[tuple[str, str, str, Mapping[str, Any]]],
) -> None:
    shown = page()
    for method, path, key, _ in routes:
        part = shown.partition(f"### `{method} {path}`\n")[2].partition("\n### ")[0]
        assert "**Who may:** " in part, path
        assert "**Answers:** " in part, path
        if key == "needed":
            for role in ROLES[permission_of(method, path)]:
                assert str(role) in part


def test_every_line_of_the_table_is_of_a_route(
    routes: Sequence[tuple[str, str, str, Mapping[str, Any]]],
) -> None:
    keyed = {permission_of(method, path) for method, path, key, _ in routes if key == "needed"}
    assert keyed >= set(REFUSED)
    starts = {start.rpartition(" ")[2] for start in WHO}
    assert [s for s in starts if not any(f"{p}/".startswith(f"{s}/") for _, p, *_ in routes)] == []


def test_every_code_that_it_names_is_one_of_the_table_of_errors() -> None:
    known = {kind.code for kind in WIRE if issubclass(kind, Refusal)}
    named = {*ALWAYS, *INFERENCE, *(code for codes in REFUSED.values() for code in codes)}
    assert named <= known


def test_a_value_is_told_in_a_few_words() -> None:
    assert (
        type_of({"type": "integer", "minimum": 0, "default": 0}) == "integer, from 0; default `0`"
    )
    assert type_of({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "string, or null"
    assert type_of({"enum": ["a", "b"]}) == "`a` or `b`"
    assert type_of({"type": "array", "items": {"$ref": "#/x"}}) == "list of object"
    assert type_of({"type": "boolean", "default": False}) == "boolean; default `false`"
    assert type_of({"type": "integer", "maximum": 2**63 - 1}) == "integer"
