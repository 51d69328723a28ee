"""What a screen shows at a glance: who uses which model, what waits, what was refused last."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text

from app.authority.auditing.glance import BUSY_S, LAST, RECENT_S, Glance
from app.authority.ledger import Kind
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.tables import USAGE
from app.authority.ports import Clock
from app.database import open_engine
from app.domain.actors import ANONYMOUS
from tests.fakes import events
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger

SECOND_US = 1_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with connections_closed():
        opened = open_engine(fresh_database(tmp_path))
        yield opened
        opened.dispose()


def used(engine: Engine, clock: Clock, actor: str, *, ago_s: int, model: str = "a/b") -> None:
    row: dict[str, Any] = {column.name: "" for column in USAGE.columns if column.name != "id"}
    row |= {"actor": actor, "model_id": model, "requests": 1, "completion_tokens": 7}
    row |= {"started_us": clock.utc_us() - ago_s * SECOND_US, "prompt_tokens": 1}
    row |= {"ttft_ms": 1, "duration_ms": 1}
    with engine.begin() as connection:
        connection.execute(insert(USAGE).values(**row))


def test_an_installation_that_nobody_used_has_nothing_to_show(engine: Engine) -> None:
    assert Glance(new_ledger(engine), FixedClock())() == {
        "users": {},
        "lately": {"seconds": BUSY_S, "models": {}},
        "approvals": {"pending": 0, "oldest_us": None},
        "refusals": [],
        "restored": [],
    }


def test_users_are_those_of_the_last_minutes_by_the_name_of_their_key(engine: Engine) -> None:
    clock = FixedClock()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO access_key (id, name, roles, secret_sha256, created_us, created_by)"
                " VALUES ('0123abcd', 'bot', 'client', zeroblob(32), 1, 'system')"
            )
        )
    for ago_s in (1, BUSY_S + 1):
        used(engine, clock, "key:0123abcd", ago_s=ago_s)
    used(engine, clock, "anonymous", ago_s=2)
    used(engine, clock, "gone", ago_s=RECENT_S + 1)
    seen = Glance(new_ledger(engine), clock)()
    assert [(u["actor"], u["name"], u["requests"]) for u in seen["users"]["a/b"]] == [
        ("key:0123abcd", "bot", 2),
        ("anonymous", None, 1),
    ]
    assert seen["lately"]["models"] == {"a/b": {"requests": 2, "tokens": 14}}


def test_the_newest_refusals_are_named_with_their_code_newest_first(engine: Engine) -> None:
    ledger = new_ledger(engine)
    for number in range(LAST + 1):
        ledger.append(
            LedgerEvent(
                Kind.REFUSAL, ANONYMOUS, f"a/{number}", "refused", {"code": "no", "message": "No."}
            )
        )
    ledger.append(events.boot())
    seen = Glance(ledger, FixedClock())()["refusals"]
    assert [one["subject"] for one in seen] == ["a/3", "a/2", "a/1"]
    assert all(one["code"] and one["actor"] and one["ts_utc_us"] for one in seen)
