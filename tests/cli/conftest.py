"""Runs commands against the fake authority: in this process, or as a program in a terminal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.authority.approvals.transitions import State
from app.cli.main import main
from app.cli.witness_home import WitnessHome
from tests.cli.asks import WAITS
from tests.cli.runs import Ended, Run, Terminal
from tests.fakes import advice_answers as told
from tests.fakes.authority_http import OPERATOR, FakeAuthority, serving
from tests.fakes.governance import FakeGovernance
from tests.fakes.governance_http import ServedGovernance
from tests.fakes.signed_log import SignedLog


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeAuthority]:
    with serving(FakeAuthority()) as fake:
        monkeypatch.setenv("LMX_URL", fake.url)
        monkeypatch.setenv("LMX_KEY", OPERATOR)
        monkeypatch.setenv("LMX_HOME", str(tmp_path / "home"))
        yield fake


@pytest.fixture
def advising(authority: FakeAuthority) -> FakeAuthority:
    """An open proposal, and an advisor that was run."""
    one = "/authority/proposals/0badcafe"
    authority.scripted = {
        "/authority/proposals": {"proposals": [told.OPEN], "next": None},
        one: told.SHOWN,
        f"{one}/accept": told.DECIDED,
        f"{one}/dismiss": told.SHOWN | {"state": "dismissed"},
        "/authority/advisors": told.ADVISORS,
        "/authority/advisors/residency/run": told.RAN,
        "/authority/advisors/residency/replay": told.REPLAYED,
        "/authority/advice/scorecard": told.SCORECARD,
        "/advisory/snapshot": told.SNAPSHOT,
    }
    return authority


@pytest.fixture
def lmx(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process."""

    def run(*arguments: str) -> Ended:
        code = main(arguments)
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


@pytest.fixture
def terminal(authority: FakeAuthority) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(*arguments: str, **more: str) -> Terminal:
        opened.append(Terminal(authority, *arguments, **more))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "witness"
    monkeypatch.setenv("LMX_WITNESS_HOME", str(directory))
    monkeypatch.setenv("LMX_HOME", str(tmp_path / "no-server"))
    return directory


@pytest.fixture
def log() -> SignedLog:
    return SignedLog().grow(5)


@pytest.fixture
def witness(home: Path, log: SignedLog) -> WitnessHome:
    made = WitnessHome.create(home, "example.com/alice")
    made.trust(log.key)
    return made


@pytest.fixture
def served(authority: FakeAuthority) -> ServedGovernance:
    served = ServedGovernance()
    authority.approvals = served
    return served


@pytest.fixture
def governance(served: ServedGovernance) -> FakeGovernance:
    served.governance.add(WAITS, State.PENDING, "Not used \u202eany\x1b[2J more.")
    return served.governance
