"""The contract page misses no route, no table and no row, and a test proves each row of it."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from app.routers.fields import Field
from app.routers.openai import work_fields
from tests.web import (
    test_anthropic_fields,
    test_fields,
    test_lmstudio_fields,
    test_responses_fields,
    test_work_fields,
)
from tools.contract_page import SAME_AS, TABLES, endpoints, page

PROVING = (
    test_anthropic_fields,
    test_fields,
    test_lmstudio_fields,
    test_responses_fields,
    test_work_fields,
)
OWN_TABLES = ("/v1", "/api", "/tokenize", "/detokenize")


def rows_of(module: ModuleType) -> Iterator[Field]:
    """Every row that some test of the module is run with."""
    for name, test in vars(module).items():
        for mark in getattr(test, "pytestmark", ()) if name.startswith("test_") else ():
            for values in mark.args[1]:
                given = getattr(values, "values", values)
                given = given if isinstance(given, tuple) else (given,)
                yield from (value for value in given if isinstance(value, Field))


@pytest.mark.parametrize("name", TABLES)
def test_a_test_is_run_with_each_row(name: str) -> None:
    proved = [row for module in PROVING for row in rows_of(module)]
    unproved = [row.name for row in TABLES[name] if not any(row is one for one in proved)]
    assert unproved == []


def test_every_client_endpoint_that_takes_a_body_has_a_table() -> None:
    taking = {path for _, path, _, told in endpoints() if "requestBody" in told}
    tables = {name for name in TABLES if name.startswith("/")}
    assert {path for path in taking if path.startswith(OWN_TABLES)} == tables | set(SAME_AS)
    assert set(SAME_AS.values()) <= tables


def test_what_takes_the_same_is_read_by_the_same_table() -> None:
    for path, other in SAME_AS.items():
        if path in work_fields.ENDPOINTS:
            assert work_fields.ENDPOINTS[path] is work_fields.ENDPOINTS[other]
        else:  # test_lmstudio_fields compares the answers to every row
            assert path in test_lmstudio_fields.V0


def test_the_page_shows_every_endpoint_and_every_row() -> None:
    shown = page()
    lines = set(shown.split("\n"))
    asked = list(endpoints())
    assert len(asked) > 80
    for method, path, key, _ in asked:
        assert any(line.startswith(f"| `{method} {path}` | {key} |") for line in lines), path
    for rows in TABLES.values():
        assert all(row.note for row in rows)
        for row in rows:
            assert any(line.startswith(f"| `{row.name}` | {row.support} |") for line in lines)
