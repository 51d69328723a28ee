"""Hostile advisors at a whole server: what they say is refused under their own name, what they try
is recorded as a blocked attempt, nothing waits for a person that should not, and it goes on."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.engines.advisor_bundle import bundle
from app.engines.advisor_host import AdvisorHost
from app.engines.advisor_run import Limits
from app.home import prepare_home
from app.settings import LedgerSettings, Settings
from app.wiring import wire
from tests.fakes.as_operator import LISTENING, as_operator
from tests.fakes.database import connections_closed

REGISTRY = """\
from app.domain.advice.proposals import Evidence, Kind, Proposal


class Written(Proposal):
    # What an advisor writes is whatever it likes.
    __slots__ = ("more",)

    def as_plain(self):
        return {**Proposal.as_plain(self), **MORE.get(id(self), {})}


MORE = {}


def said(target, reason="It is not used.", value=30, **more):
    made = Written(
        kind=Kind.UNLOAD, target=target, reason=reason, assumes="so", confidence=50,
        evidence=(Evidence(("days",), value),),
    )
    MORE[id(made)] = more
    return made


class Hostile:
    assumes = "that nobody looks"
    sure = "very"

    def __init__(self, name, advise):
        self.name, self._advise = name, advise

    def advise(self, snapshot):
        return self._advise(snapshot, sorted(snapshot.models)[0])


def forges(snapshot, model):
    yield said(model, author="key:00000000")
    yield said(model, id="0badcafe")
    yield said(model, state="accepted")
    yield said(model, decided={"by": "operator", "reason": "yes"})


def absent(snapshot, model):
    yield said("no/such-model")


def steers(snapshot, model):
    yield said(model, reason="\\x1b]0;owned\\x07\\x1b[2J")
    yield said(model, reason="\\u202eevil")
    yield said("\\x1b[31m/evil")


def lies(snapshot, model):
    yield said(model, value=1)


def reads(snapshot, model):
    for path in ("/etc/passwd", "operator.key", "../../operator.key", "../../lmx.db"):
        try:
            open(path)
        except Exception:
            pass
    yield from ()


def imports(snapshot, model):
    for name in ("app.authority.permissions", "app.wiring", "socket", "subprocess"):
        try:
            __import__(name)
        except BaseException:
            pass
    yield from ()


def never(snapshot, model):
    while True:
        pass
    yield


def chatters(snapshot, model):
    for number in range(60):
        yield said(model, reason="Number %d." % number)


ADVISORS = {
    one.__name__: lambda one=one: Hostile(one.__name__, one)
    for one in (forges, absent, steers, lies, reads, imports, never, chatters)
}
"""
EXPECTED: dict[str, set[str]] = {
    "forges": {"proposal_invalid"},
    "absent": {"proposal_invalid"},
    "steers": {"proposal_invalid"},
    "lies": {"proposal_invalid"},
    "reads": {"advisor_contained"},
    "imports": {"advisor_contained"},
    "never": {"advisor_contained"},
    "chatters": {"advisor_contained"},
}
"""Refusals that are recorded under the advisor's name, by their codes."""

KEPT = {"chatters": 50}
"""Proposals that are kept: all about the same, so that one waits."""


class AtServer:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def run(self, name: str) -> dict[str, Any]:
        answer = await self.client.post(f"/authority/advisors/{name}/run", json={}, timeout=60)
        assert answer.status_code == 200, answer.text
        ran: dict[str, Any] = answer.json()
        return ran

    async def refusals(self, name: str) -> list[dict[str, Any]]:
        query = {"kind": "refusal", "actor": f"advisor:{name}", "limit": 100}
        found = (await self.client.get("/authority/ledger/events", params=query)).json()
        return [event["body"]["data"] for event in found["events"]]

    async def waiting(self) -> list[dict[str, Any]]:
        found = await self.client.get("/authority/proposals", params={"state": "open"})
        listed: list[dict[str, Any]] = found.json()["proposals"]
        return listed


@asynccontextmanager
async def serving(home: Path) -> AsyncIterator[AtServer]:
    settings = Settings(preload=(), ledger=LedgerSettings(reserve_bytes=1 << 20))
    place = home / "run" / "hostile"
    place.mkdir(mode=0o700)
    made = bundle(place, {"app/_experimental/registry.py": REGISTRY})
    limits = Limits(clock_s=30, cpu_s=1)
    host = AdvisorHost(bundle=made, limits={"look": limits, "advise": limits})
    server = wire(settings, home=home, listening=LISTENING, advisors=host)
    async with as_operator(server, home) as client:
        yield AtServer(client)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("at-a-server") / "home"
    prepare_home(made)
    with connections_closed():
        yield made


async def test_each_is_contained_recorded_and_the_server_goes_on(home: Path) -> None:
    async with serving(home) as server:
        for name, codes in EXPECTED.items():
            ran = await server.run(name)
            assert ran["kept"] == KEPT.get(name, 0), (name, ran)
            refusals = await server.refusals(name)
            assert {one["code"] for one in refusals} == codes, (name, ran, refusals)
            assert all(one["message"].isprintable() for one in refusals)
            assert (await server.client.get("/readyz")).status_code == 200, name
        [waits] = await server.waiting()
        assert (waits["author"], waits["state"], waits["seen"]) == ("advisor:chatters", "open", 1)
        last = (await server.client.get("/authority/advisors")).json()["advisors"]
        assert {one["name"] for one in last if one["last"] is not None} == set(EXPECTED)
        acts = await server.client.get(
            "/authority/ledger/events", params={"kind": "ask_made", "limit": 10}
        )
        assert acts.json()["events"] == []
    assert not list((home / "run" / "hostile").glob("scratch-*"))
