"""Runs commands against the fake authority: in this process, or as a program in a terminal."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.main import main
from tests.cli.runs import Ended, Run, Terminal
from tests.fakes.authority_http import OPERATOR, FakeAuthority, serving


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeAuthority]:
    with serving(FakeAuthority()) as fake:
        monkeypatch.setenv("LMX_URL", fake.url)
        monkeypatch.setenv("LMX_KEY", OPERATOR)
        monkeypatch.setenv("LMX_HOME", str(tmp_path / "home"))
        yield fake


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

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(authority, *arguments))
        return opened[-1]

    yield start
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
