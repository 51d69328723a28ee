"""A row that another program wrote is seen before anybody accepts it, and is not accepted."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.permissions import Permission, grant
from app.domain.refusals import AuditUnavailable, ProposalEnded, Refusal
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advised import Advised
from tests.fakes.clock import FixedClock
from tests.fakes.tampering import unguarded
from tests.models import tiny_model

REOPENED = (
    "state = 'open', decided_us = NULL, decided_by = NULL, reason = NULL,"
    " outcome = NULL, run = NULL"
)


def rewritten(advised: Advised, change: str) -> None:
    with unguarded(advised.home) as connection:
        connection.execute(f"UPDATE advice_proposal SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "author = 'advisor:residency'",
        "evidence = 'holds'",
        f"snapshot = '{'ab' * 32}'",
        "expires_us = expires_us + 1",
        "id = '0badcafe'",
    ],
)
async def test_what_the_ledger_did_not_record_is_shown_as_refused_and_is(
    advised: Advised, change: str
) -> None:
    await advised.kept("pin", "lab/one")
    rewritten(advised, change)
    (kept,) = advised.proposals.page()
    would = await advised.previews.would(advised.person, kept)
    assert (would["what"], would["code"]) == ("refused", "audit_unavailable")
    with pytest.raises(AuditUnavailable, match="not what the ledger recorded"):
        await advised.accept(advised.proposals.get(kept.id))
    assert advised.events(Event.ADVICE_DECIDED) == []
    assert advised.authority.catalog.get("lab/one").pinned is False


async def test_what_was_decided_is_not_decided_again_whatever_its_row_says(
    advised: Advised,
) -> None:
    kept = await advised.kept("purge", "orphans")
    path = advised.home / "store" / "blobs" / "sha256" / "ab" / ("ab" + "0" * 62)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5_000)
    await advised.accept(kept)
    rewritten(advised, REOPENED)
    again = advised.proposals.get(kept.id)
    assert str(again.state) == "open"
    would = await advised.previews.would(advised.person, again)
    assert (would["what"], would["code"]) == ("refused", "proposal_ended")
    with pytest.raises(Refusal, match="on record already"):
        await advised.accept(again)
    with pytest.raises(Refusal, match="on record already"):
        await advised.accepting.dismiss(advised.person, again, reason="no")
    assert len(advised.events(Event.ADVICE_DECIDED)) == 1
    assert len(advised.events(Event.ASK_MADE)) == 1


async def test_a_row_that_nobody_proposed_does_nothing(advised: Advised) -> None:
    kept = await advised.kept("unload", "lab/one")
    with unguarded(advised.home) as connection:
        connection.execute("UPDATE advice_proposal SET id = 'aaaaaaaa', same = ?", ("0" * 64,))
    (damaged,) = advised.proposals.page()
    assert damaged.as_plain()["would"]["what"] == "refused"
    with pytest.raises(AuditUnavailable, match="aaaaaaaa"):
        advised.proposals.get("aaaaaaaa")
    assert (await advised.kept("unload", "lab/one")).id != kept.id


# --- the same name, another model ------------------------------------------------------------


async def test_a_proposal_is_about_the_models_that_there_were_and_no_later_ones(
    advised: Advised, tmp_path: Path
) -> None:
    pin = await advised.kept("pin", "lab/one")
    chain = await advised.kept("route", "mine", models=["lab/two", "lab/one"])
    other = await advised.kept("pin", "lab/two")
    deletion = await advised.accept(await advised.kept("delete", "lab/one"))
    await advised.approve_and_execute(str(deletion.ask))
    advised.clock.advance(1)
    assert (await advised.previews.would(advised.person, pin))["code"] == "model_not_found"
    may = grant(advised.person, Permission.MODEL_IMPORT)
    advised.authority.catalog.import_directory(
        may, tiny_model(tmp_path / "new", seed=9), "lab/one", lambda _: None, lambda: False
    )
    for kept in (pin, chain):
        would = await advised.previews.would(advised.person, kept)
        assert (would["what"], would["code"]) == ("refused", "proposal_ended")
        with pytest.raises(ProposalEnded, match="lab/one is another model"):
            await advised.accept(kept)
    assert (await advised.previews.would(advised.person, other))["what"] == "done"

    again = await advised.kept("pin", "lab/one")
    assert again.id != pin.id
    assert str(advised.proposals.get(pin.id).state) == "expired"
    assert (await advised.accept(again)).outcome == "done"


async def test_whether_its_time_is_over_goes_by_the_clock_that_accepting_goes_by(
    advised: Advised,
) -> None:
    kept = await advised.kept("pin", "lab/one", expires_in_s=3_600)
    ahead = FixedClock(utc_us=kept.expires_us)  # somebody set the machine's clock back
    previews = replace(advised.previews, clock=ahead)
    assert (await previews.would(advised.person, kept))["code"] == "proposal_ended"
