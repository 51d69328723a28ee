"""A proposal and its event are one; what was proposed or decided is not rewritten."""

import hashlib
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs

from app.authority.advice.kept import Damaged, State
from app.authority.advice.untrusted import canonical
from app.authority.ledger.tiles import StoredTiles
from app.domain.refusals import AuditUnavailable, ProposalEnded, ProposalNotFound
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advice import BOT, OTHER_BOT, PERSON, Desk, came, distinct, open_desk, proposed
from tests.fakes.database import foreign_connection


def elsewhere(desk: Desk, *statements: str) -> None:
    """Another program's hand, which the triggers do not stop."""
    connection = foreign_connection(desk.home / "lmx.db")
    connection.execute("DROP TRIGGER advice_proposal_as_it_was")
    for statement in statements:
        connection.execute(statement)
    connection.close()


async def test_the_event_names_the_bytes_and_the_bytes_are_its_evidence(desk: Desk) -> None:
    kept = await desk.kept()
    event = desk.events(Event.ADVICE_PROPOSED)[0]
    body = canonical(kept.proposal)
    assert (event.actor, event.subject) == (BOT.id, "lab/one")
    assert event.data == {
        "proposal": kept.id,
        "kind": "unload",
        "digest": hashlib.sha256(body).hexdigest(),
        "confidence": 80,
        "expires_us": kept.expires_us,
        "evidence": "unchecked",
    }
    assert StoredTiles(desk.ledger.readers).blob(kept.digest) == body


async def test_without_its_event_nothing_is_written(desk: Desk) -> None:
    kept = await desk.kept()
    elsewhere(
        desk,
        "CREATE TRIGGER no_room BEFORE INSERT ON ledger_event BEGIN"
        " SELECT RAISE(ABORT, 'no room'); END",
    )
    with pytest.raises(AuditUnavailable):
        desk.decide(kept)
    with pytest.raises(AuditUnavailable):
        await desk.proposing.propose(BOT, distinct(1), snapshot=None)
    assert [one.state for one in desk.proposals.page()] == [State.OPEN]


@pytest.mark.parametrize(
    "change",
    [
        "body = CAST(replace(CAST(body AS TEXT), 'lab/one', 'lab/two') AS BLOB)",
        "digest = hex(zeroblob(32))",
        "target = 'lab/two'",
        "kind = 'delete'",
        "same = hex(zeroblob(32))",
        "author = CAST(x'ff' AS TEXT)",
        "snapshot = CAST(x'c328' AS TEXT)",
    ],
)
async def test_what_another_program_rewrote_is_told_as_damaged_beside_the_others(
    desk: Desk, change: str
) -> None:
    kept, whole = await desk.kept(), await desk.kept(target="lab/three")
    elsewhere(desk, f"UPDATE advice_proposal SET {change} WHERE id = '{kept.id}'")
    with capture_logs() as logs:
        with pytest.raises(AuditUnavailable, match=kept.id):
            desk.proposals.get(kept.id)
        found = {one.id: one for one in desk.proposals.page() + desk.proposals.page()}
    assert found[whole.id] == whole
    damaged = found[kept.id]
    assert isinstance(damaged, Damaged)
    told = damaged.as_plain()
    assert (told["state"], told["would"]["what"]) == ("open", "refused")
    assert told["altered"] == told["would"]["message"]
    assert orjson.dumps(told)
    assert [(one["event"], one["proposal"]) for one in logs] == [("proposal_damaged", kept.id)]


async def test_bytes_that_match_their_hash_and_are_no_proposal_are_not_shown(desk: Desk) -> None:
    kept = await desk.kept()
    body = b'{"kind":"unload","target":"lab/one"}'
    elsewhere(
        desk,
        f"UPDATE advice_proposal SET body = x'{body.hex()}',"
        f" digest = '{hashlib.sha256(body).hexdigest()}'",
    )
    with pytest.raises(AuditUnavailable, match="no proposal"):
        desk.proposals.get(kept.id)


async def test_the_table_itself_keeps_what_was_proposed_and_decided(desk: Desk) -> None:
    kept = await desk.kept()
    desk.decide(kept)
    connection = foreign_connection(desk.home / "lmx.db")
    for change in ("body = x'00'", "author = 'key:0'", "state = 'open'", "reason = 'another'"):
        with pytest.raises(Exception, match="not rewritten"):
            connection.execute(f"UPDATE advice_proposal SET {change}")
    connection.close()


async def test_of_what_is_about_the_same_one_is_open(desk: Desk) -> None:
    kept = await desk.kept()
    assert desk.proposals.add(replace(kept, id="0" * 8), proposed(kept)) is False
    assert desk.proposals.page() == [kept]
    assert len(desk.events(Event.ADVICE_PROPOSED)) == 1


async def test_an_id_that_is_taken_is_a_fault_and_not_a_duplicate(desk: Desk) -> None:
    kept = await desk.kept()
    with pytest.raises(IntegrityError):
        desk.proposals.add(replace(kept, same="0" * 64), proposed(kept))


async def test_one_is_found_by_enough_of_its_id_and_by_nothing_else(desk: Desk) -> None:
    kept = await desk.kept()
    assert desk.proposals.get(kept.id[:3]) == kept
    for name in (kept.id[:2], kept.id + "0", "", "%", "___", "zzzz", "\x1b[2J", "a" * 500):
        with pytest.raises(ProposalNotFound) as caught:
            desk.proposals.get(name)
        assert caught.value.message.isprintable()


async def test_a_page_goes_on_where_the_last_one_ended_and_filters(desk: Desk) -> None:
    made = []
    for number, author in enumerate((BOT, OTHER_BOT, BOT, BOT)):
        made.append(await desk.kept(author, **distinct(4)[number]))
        desk.clock.advance(number)  # the first two at the same moment
    desk.decide(made[3])
    newest = desk.proposals.page(limit=2)
    rest = desk.proposals.page(before=(newest[-1].created_us, newest[-1].id), limit=9)
    assert [one.id for one in (*newest, *rest)] == [
        one.id
        for one in sorted(desk.proposals.page(), key=lambda k: (k.created_us, k.id), reverse=True)
    ]
    assert {one.id for one in (*newest, *rest)} == {one.id for one in made}
    assert [one.id for one in desk.proposals.page(author=OTHER_BOT.id)] == [made[1].id]
    assert [one.id for one in desk.proposals.page(state=State.DISMISSED)] == [made[3].id]


async def test_it_is_decided_once(desk: Desk) -> None:
    kept = await desk.kept()
    dismissed = desk.decide(kept, reason="we need it on Monday")
    assert (dismissed.state, dismissed.decided_by, dismissed.reason, dismissed.decided_us) == (
        State.DISMISSED,
        PERSON.id,
        "we need it on Monday",
        desk.clock.utc_us(),
    )
    with pytest.raises(ProposalEnded):
        desk.decide(kept, State.ACCEPTED)
    assert [event.outcome for event in desk.events(Event.ADVICE_DECIDED)] == ["dismissed"]


async def test_one_whose_time_is_over_is_not_decided_before_anybody_ended_it(desk: Desk) -> None:
    kept = await desk.kept(expires_in_s=3_600)
    desk.clock.advance(3_600)
    with pytest.raises(ProposalEnded):
        desk.decide(kept, State.ACCEPTED)
    assert not desk.events(Event.ADVICE_DECIDED)


async def test_those_whose_time_is_over_end_and_the_others_stay(desk: Desk) -> None:
    short = await desk.kept(**distinct(2)[0], expires_in_s=3_600)
    long = await desk.kept(**distinct(2)[1])
    desk.clock.advance(3_599)
    desk.proposals.expire_due(desk.clock.utc_us())
    assert desk.proposals.get(short.id).state is State.OPEN
    desk.clock.advance(1)
    desk.proposals.expire_due(desk.clock.utc_us())
    assert desk.proposals.get(short.id).state is State.EXPIRED
    assert desk.proposals.get(long.id).state is State.OPEN


async def test_what_came_of_it_is_recorded_once_and_of_accepted_ones_alone(desk: Desk) -> None:
    dismissed = desk.decide(await desk.kept(**distinct(2)[0]))
    with pytest.raises(ProposalEnded):
        desk.proposals.ended(dismissed, outcome="done", event=came(dismissed, "done"))
    accepted = desk.decide(await desk.kept(**distinct(2)[1]), State.ACCEPTED)
    assert desk.proposals.without_outcome() == [accepted]
    ended = desk.proposals.ended(
        accepted, outcome="refused", refusal="not_feasible", event=came(accepted, "refused")
    )
    assert (ended.outcome, ended.refusal) == ("refused", "not_feasible")
    assert desk.proposals.without_outcome() == []
    with pytest.raises(ProposalEnded):
        desk.proposals.ended(accepted, outcome="done", event=came(accepted, "done"))
    assert [event.outcome for event in desk.events(Event.ADVICE_OUTCOME)] == ["refused"]


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    desk = open_desk(tmp_path / "home")
    kept = desk.decide(await desk.kept(), State.ACCEPTED)
    desk.close()
    again = open_desk(tmp_path / "home", desk.clock)
    assert again.proposals.without_outcome() == [kept]
    again.close()


async def test_as_json_it_says_who_decided_only_where_somebody_did(desk: Desk) -> None:
    kept = await desk.kept()
    assert kept.as_plain()["decided"] is None
    assert kept.as_plain()["evidence_holds"] is None
    said = desk.decide(kept, reason="no").as_plain()
    assert said["decided"] == {"by": PERSON.id, "at_us": desk.clock.utc_us(), "reason": "no"}
    assert "expires_in_s" not in said
    assert "body" not in said
