"""Keeping the record: a name is erased by whoever may, and nothing is pruned without approvals."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.auditing.custody import Custody
from app.authority.keys import Keys, People
from app.authority.ledger import Ledger, RefusalRecorder
from app.authority.ledger.reads import ReadRecorder
from app.authority.ledger.retention import DAY_US
from app.database import open_engine
from app.domain.actors import ANONYMOUS, SYSTEM, Actor
from app.domain.refusals import (
    ApprovalUnavailable,
    ConfirmationRequired,
    Forbidden,
    KeyMissing,
    PersonNotFound,
)
from tests.fakes.clock import START_UTC_US, FixedClock
from tests.fakes.database import connections_closed, foreign_connection, fresh_database
from tests.fakes.ledger import new_ledger
from tests.fakes.warrants import create_key
from tests.unit.keys.conftest import ACCOUNT, begin


@dataclass
class Kept:
    """An installation after its first start."""

    engine: Engine
    ledger: Ledger
    keys: Keys
    custody: Custody
    operator: Actor

    def key_of(self, *roles: str) -> Actor:
        return self.keys.identify(create_key(self.keys, self.operator, "x", roles).secret)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with connections_closed():
        engine = open_engine(fresh_database(tmp_path))
        clock = FixedClock()
        ledger = new_ledger(engine, clock)
        keys = Keys(ledger, engine, clock)
        path = begin(keys, ledger, tmp_path).path
        reads = ReadRecorder(ledger, clock)
        custody = Custody(People(ledger, engine, clock), ledger, clock, reads.note)
        yield Kept(engine, ledger, keys, custody, keys.identify(path.read_text().strip()))
        engine.dispose()


def phrase(person: str | None) -> str:
    return f"yes, erase the name of {person}"


async def test_an_operator_erases_a_name_and_is_told_what_remains(kept: Kept) -> None:
    person = str(kept.operator.person)
    (before,) = await kept.custody.everybody(kept.operator)
    assert (before["id"], before["name"], before["erased"]) == (person, ACCOUNT, False)
    erased = await kept.custody.erase_name(kept.operator, person, phrase(person))
    assert (erased["name"], erased["erased"]) == (None, True)
    assert len(erased["remains"]) == 2
    assert "backups" in erased["remains"][0]
    assert "names of keys" in erased["remains"][1]
    assert await kept.custody.everybody(kept.operator) == [{**before, "name": None, "erased": True}]


async def test_a_name_an_earlier_release_wrote_into_the_ledger_is_admitted(kept: Kept) -> None:
    other = foreign_connection(Path(str(kept.engine.url.database)))
    other.execute("DROP TRIGGER ledger_event_no_update")
    body = b'{"data":{"account":"grace"}}'
    other.execute("UPDATE ledger_event SET body = ? WHERE seq = 1", (body,))
    person = str(kept.operator.person)
    erased = await kept.custody.erase_name(kept.operator, person, phrase(person))
    assert any("first event" in place for place in erased["remains"])


async def test_an_auditor_sees_people_and_erases_nobody(kept: Kept) -> None:
    auditor = kept.key_of("auditor")
    assert len(await kept.custody.everybody(auditor)) == 1
    (read,) = kept.ledger.events(kind="ledger_read")
    assert (read.actor, read.subject) == (auditor.id, "people")
    person = str(kept.operator.person)
    with pytest.raises(Forbidden):
        await kept.custody.erase_name(auditor, person, phrase(person))


async def test_nobody_else_sees_people(kept: Kept) -> None:
    for actor, refusal in ((kept.key_of("client"), Forbidden), (ANONYMOUS, KeyMissing)):
        with pytest.raises(refusal):
            await kept.custody.everybody(actor)


async def test_the_server_itself_erases_prunes_and_recovers_nothing(kept: Kept) -> None:
    person = str(kept.operator.person)
    with pytest.raises(Forbidden):
        await kept.custody.erase_name(SYSTEM, person, phrase(person))
    with pytest.raises(Forbidden):
        await kept.custody.prune(SYSTEM, 0)
    with pytest.raises(Forbidden):
        await kept.custody.recover(SYSTEM)


async def test_a_name_needs_its_phrase_and_its_person(kept: Kept) -> None:
    with pytest.raises(ConfirmationRequired):
        await kept.custody.erase_name(kept.operator, str(kept.operator.person), "yes")
    with pytest.raises(PersonNotFound):
        await kept.custody.erase_name(kept.operator, "p-00000000", phrase("p-00000000"))


async def test_pruning_is_refused_whatever_is_asked(kept: Kept) -> None:
    size = kept.ledger.size()
    for before_us in (0, START_UTC_US - 400 * DAY_US):
        with pytest.raises(ApprovalUnavailable, match="cannot prune"):
            await kept.custody.prune(kept.operator, before_us)
    for before_us in (START_UTC_US, START_UTC_US - 183 * DAY_US + 1, 2**53 - 1):
        with pytest.raises(ApprovalUnavailable, match="never pruned, whoever approves"):
            await kept.custody.prune(kept.operator, before_us)
    assert kept.ledger.size() == size


async def test_recovery_is_refused(kept: Kept) -> None:
    with pytest.raises(ApprovalUnavailable, match="lmx backup restore DIR"):
        await kept.custody.recover(kept.operator)


@pytest.mark.parametrize(
    ("act", "permission"), [("prune", "ledger.prune"), ("recover", "ledger.recover")]
)
async def test_what_is_refused_is_found_under_what_was_asked(
    kept: Kept, act: str, permission: str
) -> None:
    arguments = (0,) if act == "prune" else ()
    with pytest.raises(ApprovalUnavailable) as refused:
        await getattr(kept.custody, act)(kept.operator, *arguments)
    recorder = RefusalRecorder(kept.ledger, FixedClock())
    recorder.record(kept.operator, refused.value, "the ledger", "r-1")
    (event,) = kept.ledger.events(kind="refusal")
    assert event.data["permission"] == permission
    assert event.fields["actor"]["person"] == kept.operator.person
    with kept.engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT action, model, person FROM ledger_index WHERE seq = ?", (event.seq,)
        ).one()
    assert tuple(row) == (permission, None, kept.operator.person)
