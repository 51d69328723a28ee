"""However many proposals there were, and whatever was asked meanwhile: nothing reads them all."""

import sqlite3
from contextlib import closing

import pytest

from app.authority.advice import measuring, store, use
from app.authority.advice.kept import State
from tests.fakes.advice import Desk

NAMED = {"now": 1, "since": 1, "before": 1, "author": "key:1", "id": "0badcafe"}
IN_PLACE = (1, 2, "lab/one")


def plan(desk: Desk, query: str, values: object) -> str:
    """How the database goes about it."""
    with closing(sqlite3.connect(desk.home / "lmx.db")) as connection:
        return " | ".join(
            row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)
        )


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (store._TAKEN, NAMED),
        (store._DUE, (1,)),
        (store._EXPIRE, NAMED),
        (store._LAST_DECIDED, ("00",)),
        (store._LAST_SEEN, ("key:1",)),
        (f"{measuring._COUNTS} {measuring._OF_MODEL}", IN_PLACE),
        (f"{measuring._COUNTS} {measuring._OF_NAME}", IN_PLACE),
    ],
)
def test_what_is_asked_often_reads_what_it_is_about(desk: Desk, query: str, values: object) -> None:
    found = plan(desk, query, values)
    assert "SCAN advice_proposal" not in found, found
    assert "SCAN hour_use" not in found, found
    assert "(hour>? AND hour<?)" not in found, found


@pytest.mark.parametrize(
    ("query", "values"), [(use._SUMS, (5,)), (use._WRITTEN, (5, 0)), (use._LAST, (0, 5))]
)
def test_a_month_of_use_is_read_as_it_is_kept(desk: Desk, query: str, values: object) -> None:
    assert "SEARCH hour_use USING PRIMARY KEY (hour>?" in plan(desk, query, values)


@pytest.mark.parametrize("how", [{}, {"state": State.OPEN}, {"author": "key:1"}])
async def test_a_page_reads_a_page(
    desk: Desk, how: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(desk.proposals, "_found", lambda query: asked.append(_text(query)) or [])
    desk.proposals.page(before=(5, "0badcafe"), **how)  # type: ignore[arg-type]
    found = plan(desk, asked[0], ())
    assert "USING INDEX" in found, found
    assert "FOR ORDER BY" not in found, found


def _text(query: object) -> str:
    return str(query.compile(compile_kwargs={"literal_binds": True}))  # type: ignore[attr-defined]
