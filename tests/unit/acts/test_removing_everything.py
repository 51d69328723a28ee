"""Everything goes by an approved plan, while no server runs, and nothing that is not LMX's."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.authority.acts.state_removal import StateRemoval
from app.authority.approvals.acts import Act
from app.authority.ledger.usage_digests import UsageDigests
from app.backups.removing import ORDER, approved, remove
from app.domain.refusals import BackupRefused
from tests.fakes import events
from tests.fakes.asks import Office
from tests.unit.acts.conftest import Desk


@pytest.fixture
def home(tmp_path: Path, office: Office) -> Path:
    """As a server leaves it, with something of somebody else's in it."""
    place = Path(str(office.engine.url.database)).parent
    (place / "logs").mkdir(exist_ok=True)
    (place / "logs/server.log").write_text("said")
    view = place / "store/models/ab"
    view.mkdir(parents=True)
    (view / "config.json").write_text("{}")
    (place / "notes.txt").write_text("mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (place / "store/link").symlink_to(outside)
    (place / "trash").symlink_to(outside)
    view.chmod(0o500)
    return place


@pytest.fixture
def works(desk: Callable[[Act], Desk], home: Path, office: Office) -> Desk:
    digests = UsageDigests(office.ledger, office.engine, office.clock, keep_days=180)
    return desk(StateRemoval(home / "logs", digests, office.clock))


async def test_the_plan_says_what_goes_what_stays_and_how(works: Desk, home: Path) -> None:
    plan = works.plan(works.ask(what="everything"))
    assert plan["phrase"] == "yes, remove everything"
    assert plan["targets"] == [{"kind": "state", "id": str(home), "digest": ""}]
    assert "lmx.db" in plan["effects"]["parts"]
    assert plan["effects"]["left"] == ["notes.txt", "trash"]


async def test_what_was_approved_goes_links_are_not_followed_and_a_receipt_stays(
    works: Desk, home: Path, office: Office, tmp_path: Path
) -> None:
    executed = await works.do(works.ask(what="everything"))
    assert executed.effect.outcome == "done"
    assert (home / "store").is_dir()  # nothing goes while the server runs
    office.close()
    done = remove(home, tmp_path / "receipt.json")
    assert sorted(path.name for path in home.iterdir()) == ["notes.txt", "trash"]
    assert done.left == ("notes.txt", "trash")
    assert (tmp_path / "outside/precious").read_text() == "precious"
    said = json.loads((tmp_path / "receipt.json").read_text())
    assert said["approved_by"]["kind"] == "act_outcome"
    assert "lmx-authority/" in said["checkpoint"]


async def test_a_home_with_nothing_else_goes_itself(
    works: Desk, home: Path, office: Office, tmp_path: Path
) -> None:
    (home / "notes.txt").unlink()
    (home / "trash").unlink()
    await works.do(works.ask(what="everything"))
    office.close()
    remove(home, tmp_path / "receipt.json")
    assert not os.path.lexists(home)


async def test_a_start_after_the_approval_withdraws_it(
    works: Desk, home: Path, office: Office
) -> None:
    await works.do(works.ask(what="everything"))
    assert approved(home)["kind"] == "act_outcome"
    office.ledger.append(events.boot("boot-2"))
    with pytest.raises(BackupRefused, match="since the server was last started"):
        approved(home)


@pytest.mark.parametrize(
    ("order", "sentence"),
    [
        (None, "Nobody has approved"),
        ("{", "cannot be read"),
        (json.dumps({"ask": "0badcafe", "plan": "ab" * 32}), "does not say that this was approved"),
    ],
)
async def test_an_order_that_the_ledger_does_not_know_removes_nothing(
    home: Path, office: Office, tmp_path: Path, order: str | None, sentence: str
) -> None:
    (home / "run").mkdir(exist_ok=True)
    if order is not None:
        (home / ORDER).write_text(order)
    with pytest.raises(BackupRefused, match=sentence):
        remove(home, tmp_path / "receipt.json")
    assert (home / "store").is_dir()
    assert not (tmp_path / "receipt.json").exists()


async def test_without_a_receipt_nothing_goes(works: Desk, home: Path, tmp_path: Path) -> None:
    await works.do(works.ask(what="everything"))
    with pytest.raises(BackupRefused, match="nothing was removed"):
        remove(home, tmp_path / "no such directory" / "receipt.json")
    assert (home / "store").is_dir()
