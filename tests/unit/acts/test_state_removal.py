"""Old logs and old usage go by an approved plan, file by file and row by row, and nothing else."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from app.authority.acts.state_removal import StateRemoval
from app.authority.approvals.acts import Act
from app.authority.ledger.tables import USAGE
from app.authority.ledger.usage_digests import UsageDigests
from app.authority.ledger.writing import writing
from app.authority.warrants.issuing import issue
from app.domain.refusals import InvalidRequest, PlanStale, RevisionRequired
from tests.fakes.asks import Office
from tests.fakes.clock import START_UTC_US
from tests.unit.acts.conftest import Desk

DAY_S = 86_400


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "logs"
    directory.mkdir()
    for name, size in (("server.log", 10), ("server.log.1", 5000), ("server.log.2", 9000)):
        (directory / name).write_bytes(name.encode() + b"." * size)
    yield directory
    directory.chmod(0o700)


@pytest.fixture
def digests(office: Office) -> UsageDigests:
    return UsageDigests(office.ledger, office.engine, office.clock, keep_days=180)


@pytest.fixture
def act(office: Office, logs: Path, digests: UsageDigests) -> StateRemoval:
    return StateRemoval(logs, digests, office.clock)


@pytest.fixture
def works(desk: Callable[[Act], Desk], act: StateRemoval) -> Desk:
    return desk(act)


def names(logs: Path) -> list[str]:
    return sorted(path.name for path in logs.iterdir())


async def test_rotated_logs_go_and_the_one_in_use_stays(works: Desk, logs: Path) -> None:
    sizes = {p.name: p.stat() for p in logs.iterdir()}
    ask = works.ask(what="logs")
    plan = works.plan(ask)
    assert plan["phrase"] == "yes, remove logs"
    assert [f["path"] for f in plan["files"]] == ["logs/server.log.1", "logs/server.log.2"]
    executed = await works.do(ask)
    assert (executed.effect.outcome, executed.effect.files) == ("done", 2)
    gone = [sizes[name] for name in ("server.log.1", "server.log.2")]
    assert executed.effect.freed_bytes == sum(s.st_blocks * 512 for s in gone)
    assert names(logs) == ["server.log"]


async def test_a_log_that_rotates_after_approval_makes_the_plan_stale(
    works: Desk, logs: Path, office: Office
) -> None:
    ask = office.decide("owner", works.ask(what="logs"))
    (logs / "server.log.2").rename(logs / "server.log.3")
    with pytest.raises(PlanStale):
        await office.execute(ask)
    assert len(names(logs)) == 3


@pytest.mark.parametrize("trap", ["symlink", "fifo", "directory"])
async def test_what_is_no_file_is_left_and_named(works: Desk, logs: Path, trap: str) -> None:
    outside = logs.parent / "outside"
    outside.write_text("precious")
    make: dict[str, Callable[[Path], Any]] = {
        "symlink": lambda path: path.symlink_to(outside),
        "fifo": os.mkfifo,
        "directory": Path.mkdir,
    }
    make[trap](logs / "server.log.3")
    ask = works.ask(what="logs")
    assert len(works.plan(ask)["effects"]["left"]) == 1
    await works.do(ask)
    assert names(logs) == ["server.log", "server.log.3"]
    assert outside.read_text() == "precious"


async def test_a_path_swapped_for_a_link_under_the_remover_is_named_and_not_followed(
    works: Desk, logs: Path, office: Office, act: StateRemoval
) -> None:
    ask = works.ask(what="logs")
    plan = office.parts.asks.plan_of(ask)
    outside = logs.parent / "outside"
    outside.write_text("precious")
    (logs / "server.log.1").unlink()
    (logs / "server.log.1").symlink_to(outside)
    warrant = issue(
        act=act.kind,
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=office.owner,
        intent_seq=1,
    )
    effect = await act.perform(warrant)
    assert effect.outcome == "partial"
    assert [f.split()[0] for f in effect.failed] == ["logs/server.log.1"]
    assert outside.read_text() == "precious"
    assert names(logs) == ["server.log", "server.log.1"]
    (logs / "server.log.1").unlink()
    assert (await act.perform(warrant)).outcome == "done"  # resumed: what is gone is gone


async def test_without_rotated_logs_there_is_nothing_to_ask(works: Desk, logs: Path) -> None:
    for name in ("server.log.1", "server.log.2"):
        (logs / name).unlink()
    (logs / "server.log.bak").write_text("somebody's own")
    with pytest.raises(RevisionRequired, match="no log file"):
        works.ask(what="logs")


def use(office: Office, *days: int) -> None:
    rows = [
        {
            "request_id": "r",
            "actor": "key:0badcafe",
            "model_id": "m",
            "digest": "d" * 64,
            "prompt_tokens": 1,
            "completion_tokens": 1,
            "started_us": START_UTC_US + day * DAY_S * 1_000_000,
            "duration_ms": 1,
            "outcome": "answered",
        }
        for day in days
    ]
    with writing(office.engine) as connection:
        connection.execute(insert(USAGE), rows)


def rows(office: Office) -> int:
    with office.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM usage").scalar_one())


def day_after(office: Office, days: int) -> str:
    start = datetime.fromtimestamp(START_UTC_US / 1e6, UTC)
    return (start + timedelta(days=days)).strftime("%Y-%m-%d")


async def test_usage_before_a_day_goes_when_a_digest_covers_it(
    works: Desk, office: Office, digests: UsageDigests
) -> None:
    use(office, 0, 0, 1, 5, 9)
    office.clock.advance(10 * DAY_S)
    digests.tick()
    ask = works.ask(what="usage", before=day_after(office, 3))
    effects = works.plan(ask)["effects"]
    assert (effects["rows"], effects["first_id"], effects["last_id"]) == (3, 1, 3)
    executed = await works.do(ask)
    assert executed.effect.data == {"rows": 3}
    assert rows(office) == 2
    (event,) = office.ledger.events(kind="usage_pruned")
    assert (event.actor, event.data["rows"]) == (office.owner.id, 3)


async def test_usage_that_no_digest_covers_stays(works: Desk, office: Office) -> None:
    use(office, 0, 1)
    office.clock.advance(10 * DAY_S)
    with pytest.raises(RevisionRequired, match="digest"):
        works.ask(what="usage", before=day_after(office, 5))
    assert rows(office) == 2


async def test_rows_that_went_meanwhile_make_the_plan_stale(
    works: Desk, office: Office, digests: UsageDigests
) -> None:
    use(office, 0, 1, 9)
    office.clock.advance(10 * DAY_S)
    digests.tick()
    ask = works.ask(what="usage", before=day_after(office, 5))
    with writing(office.engine) as connection:
        connection.exec_driver_sql("DELETE FROM usage WHERE id = 1")
    with pytest.raises(PlanStale):
        office.decide("owner", ask)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"what": "ledger"},
        {"what": "logs", "before": "2020-01-01"},
        {"what": "usage"},
        {"what": "usage", "before": "yesterday"},
        {"what": "usage", "before": 20200101},
        {"what": "usage", "before": "2020-13-01"},
        {"what": "usage", "before": "20200101xx"},
        {"what": "usage", "before": "2020-W01-1"},
        {"what": "usage", "before": "\u0662020-01-01"},
        {"what": "usage", "before": "9999-01-01"},
        {"what": "usage", "before": "../../etc"},
        {"what": ["logs"]},
    ],
)
def test_what_cannot_be_removed_is_refused(
    act: StateRemoval, office: Office, params: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        act.draw(params, office.owner)
