"""A server that ends at any step of an append, a change of state or a rotation leaves it whole.

The steps are this program's: each statement to the database, each write and sync of the signer's
memory and of the sink. The system calls below them are ended in tests/faults/ledger.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.authority.ledger import Kind
from app.authority.ledger.reserve import Reserve
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable
from tests.fakes import events
from tests.fakes.crashes import crash_points
from tests.fakes.home import Home, new_home

SAMPLED = pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.faults)])
RECEIPT = "INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that was started once, and 252 events: four more complete a node of the tree."""
    home = new_home(tmp_path_factory.mktemp("begun") / "home")
    ledger = home.start()
    while ledger.size() < 251:
        ledger.append(events.saying("x"))
    home.stop()
    return home


def ended(
    begun: Home, where: Path, act: Callable[[Home, list[str]], None], every: int = 1
) -> Iterator[tuple[Home, list[str]]]:
    """Copies of a home in which `act` ended at one of its steps, and what it acknowledged."""
    acknowledged: dict[Path, list[str]] = {}

    def prepare(directory: Path) -> Callable[[], object]:
        home = begun.copy(directory)
        acknowledged[directory] = []
        return lambda: act(home, acknowledged[directory])

    for directory in crash_points(where, prepare, every=every):
        yield Home(directory), acknowledged[directory]


def recorded(home: Home, acknowledged: list[str]) -> None:
    ledger = home.open("boot-2").ledger
    intent = ledger.append(events.load_intent())
    acknowledged.append(intent.event_id)
    with ledger.recording(events.unload_intent()) as connection:
        connection.exec_driver_sql(RECEIPT, ("r" * 64,))
    acknowledged.append("unload_intent")
    acknowledged.append(ledger.append(events.load_outcome(intent.seq)).event_id)
    ledger.append(events.saying("fills the tile"))
    ledger.append(events.saying("one more"))
    ledger.settle()


def rotated(home: Home, acknowledged: list[str]) -> None:
    ledger = home.open("boot-2").ledger
    _, new = ledger.rotate(SYSTEM)
    acknowledged.append(str(new))
    acknowledged.append(ledger.append(events.saying("by the new key")).event_id)


@SAMPLED
def test_what_was_acknowledged_is_there_and_nothing_is_there_half(
    begun: Home, tmp_path: Path, every: int
) -> None:
    for home, acknowledged in ended(begun, tmp_path, recorded, every):
        ledger = home.start("boot-3")
        stored = ledger.events(limit=1_000)
        assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
        there = {event.event_id for event in stored} | {event.kind for event in stored}
        assert set(acknowledged) <= there
        with ledger.answering() as connection:
            rows = connection.exec_driver_sql("SELECT count(*) FROM receipt").scalar_one()
        assert rows == sum(event.kind == Kind.UNLOAD_INTENT for event in stored)
        ledger.reconcile()
        assert ledger.open_intents() == []
        home.stop()
        assert home.findings() == []


@SAMPLED
def test_a_rotation_that_ends_anywhere_has_happened_or_has_not(
    begun: Home, tmp_path: Path, every: int
) -> None:
    before = begun.open()
    old = before.ledger.keeping.signer.key
    begun.stop()
    seen = set()
    for home, acknowledged in ended(begun, tmp_path, rotated, every):
        ledger = home.start("boot-3")
        signer = ledger.keeping.signer
        said = ledger.events(kind=Kind.SIGNING_KEY_ROTATED)
        assert signer.pending is None
        assert len(said) == (signer.key != old)
        assert [str(key) for key in signer.keys] == [str(old), *(e.data["new"] for e in said)]
        assert {str(signer.key)} >= set(acknowledged[:1])
        seen.add(len(said))
        home.stop()
        assert home.findings() == []
    assert seen == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.faults)])
def test_giving_up_the_reserve_may_end_anywhere(begun: Home, tmp_path: Path, every: int) -> None:
    """The space is given back, taken, and given back again; a start takes it once more."""

    def on_reserve(home: Home, acknowledged: list[str]) -> None:
        home.reserve = Reserve(home.ledger / "reserve", 1 << 16)
        ledger = home.open("boot-2").ledger
        home.reserve.release()
        home.reserve.restore()
        with suppress(AuditUnavailable):
            acknowledged.append(ledger.append(events.saying("x")).event_id)

    for home, acknowledged in ended(begun, tmp_path, on_reserve, every):
        home.reserve = Reserve(home.ledger / "reserve", 1 << 16)
        ledger = home.start("boot-3")
        assert home.reserve.held
        assert ledger.available
        assert set(acknowledged) <= {event.event_id for event in ledger.events(after=250)}
        home.stop()
        assert home.findings() == []
