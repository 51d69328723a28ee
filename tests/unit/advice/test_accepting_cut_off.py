"""From the decision on it is seen through: what a server's end cuts off, the next start settles."""

import ast
import asyncio
from pathlib import Path

import pytest

import app
from app.domain.refusals import AuditUnavailable
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advised import Advised, open_advised
from tests.fakes.database import foreign_connection
from tests.fakes.lifecycle import until


async def test_what_cannot_be_recorded_does_not_happen(
    advised: Advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await advised.kept("pin", "lab/one")

    def full(*_: object, **__: object) -> None:
        raise AuditUnavailable("the disk is full")

    monkeypatch.setattr(type(advised.authority.ledger), "recording", full)
    with pytest.raises(AuditUnavailable):
        await advised.accept(kept)
    monkeypatch.undo()
    assert advised.proposals.get(kept.id).state == "open"
    assert advised.authority.catalog.get("lab/one").pinned is False


@pytest.mark.parametrize(
    ("full_at", "state", "outcome", "pinned", "after_a_start"),
    [
        ("advice_decided", "open", None, False, None),
        ("model_changed", "accepted", "refused", False, "refused"),
        ("advice_outcome", "accepted", None, True, "unknown"),
    ],
)
async def test_whichever_write_finds_no_room_nothing_happens_that_is_not_on_record(  # noqa: PLR0917
    advised: Advised,
    full_at: str,
    state: str,
    outcome: str | None,
    pinned: bool,
    after_a_start: str | None,
) -> None:
    kept = await advised.kept("pin", "lab/one")
    with foreign_connection(advised.home / "lmx.db") as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON ledger_event"
            f" WHEN instr(CAST(NEW.body AS TEXT), '\"{full_at}\"') > 0"
            " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
        with pytest.raises(AuditUnavailable):
            await advised.accept(kept)
        connection.execute("DROP TRIGGER full")
    now = advised.proposals.get(kept.id)
    assert (str(now.state), now.outcome) == (state, outcome)
    assert advised.authority.catalog.get("lab/one").pinned is pinned
    assert len(advised.events(Event.MODEL_CHANGED)) == pinned
    await advised.accepting.recover()
    now = advised.proposals.get(kept.id)
    assert (now.outcome, now.run is not None) == (after_a_start, pinned)


async def test_whoever_goes_away_does_not_cut_off_what_was_decided(advised: Advised) -> None:
    kept = await advised.kept("load", "lab/one")
    advised.host.loading.clear()
    accepting = asyncio.create_task(advised.accept(kept))
    await until(lambda: str(advised.serving.residency.state("lab/one")) == "loading")
    accepting.cancel()
    await asyncio.wait({accepting})
    advised.host.loading.set()
    await until(lambda: advised.proposals.get(kept.id).outcome is not None)
    assert advised.proposals.get(kept.id).outcome == "done"


async def test_a_start_settles_what_was_accepted_and_finds_its_run(
    advised: Advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await advised.kept("pin", "lab/one")
    cut_off(monkeypatch)
    with pytest.raises(AuditUnavailable, match="accepted and it was done"):
        await advised.accept(kept)
    monkeypatch.undo()
    assert advised.proposals.get(kept.id).outcome is None

    await advised.accepting.recover()
    now = advised.proposals.get(kept.id)
    assert now.outcome == "unknown"
    assert advised.run_of(str(now.run))["proposal"] == kept.id
    (came,) = advised.events(Event.ADVICE_OUTCOME)
    assert (came.outcome, came.data["run"]) == ("unknown", now.run)
    before = advised.state()
    await advised.accepting.recover()
    assert advised.state() == before


async def test_a_start_finds_the_ask_that_was_made(
    advised: Advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await advised.kept("delete", "lab/one")
    cut_off(monkeypatch)
    with pytest.raises(AuditUnavailable, match="ask .* was made"):
        await advised.accept(kept)
    monkeypatch.undo()
    await advised.accepting.recover()
    (ask,) = advised.governed.parts.asks.page(limit=10)
    assert advised.proposals.get(kept.id).ask == ask.id


async def test_a_load_that_the_servers_end_cut_off_is_found_again(tmp_path: Path) -> None:
    advised = open_advised(tmp_path / "home")
    kept = await advised.kept("load", "lab/one")
    advised.host.loading.clear()
    accepting = asyncio.create_task(advised.accept(kept))
    await until(lambda: bool(advised.events(Event.LOAD_INTENT)))
    killed = advised.copied(tmp_path / "killed")
    advised.host.loading.set()
    await accepting
    await advised.close()

    again = open_advised(killed)
    await again.accepting.recover()
    now = again.proposals.get(kept.id)
    assert now.outcome == "unknown"
    run = again.run_of(str(now.run))
    assert (run["outcome"], run["proposal"]) == ("interrupted_by_restart", kept.id)
    assert "proposal" not in run["inputs"]
    await again.close()


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome cannot be recorded, as if the server had ended before it."""

    def ended(*_: object, **__: object) -> None:
        raise AuditUnavailable("the disk is full")

    monkeypatch.setattr("app.authority.advice.store.Proposals.ended", ended)


def test_nothing_but_accepting_says_that_something_follows_from_a_proposal() -> None:
    root = Path(app.__file__).parent
    naming = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "app.authority.ledger.accepted"
        if any(alias.name not in ("accepted_for", "named_for") for alias in node.names)
    }
    assert naming == {"authority/advice/accepting.py"}
