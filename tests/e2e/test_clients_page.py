"""Every command and every program that docs/clients.md shows works as shown."""

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, RunningServer
from tests.e2e.test_readme import FENCED, as_here, commands, run

PAGE = (ROOT / "docs/clients.md").read_text("utf-8")
SHELL = [c for kind, block in FENCED.findall(PAGE) if kind == "sh" for c in commands(block)]
PROGRAMS = [block for kind, block in FENCED.findall(PAGE) if kind == "python"]


def here(shown: str, server: RunningServer, model: Path) -> str:
    return as_here(shown.replace("~/.lmx", str(server.home)), server, model)


def test_every_surface_is_shown() -> None:
    shown = "\n".join(SHELL + PROGRAMS)
    for path in ("/v1/messages", "/v1/responses", "/v1/embeddings", "/api/v1", "/tokenize"):
        assert path in shown
    assert len(PROGRAMS) == 2


@pytest.mark.parametrize("command", SHELL)
def test_a_command_works(tiny: RunningServer, tiny_directory: Path, command: str) -> None:
    said = run(["bash", "-c", here(command, tiny, tiny_directory)], tiny)
    assert not json.loads(said).get("error")


@pytest.mark.parametrize("program", PROGRAMS, ids=["form", "tools"])
def test_a_program_works(tiny: RunningServer, tiny_directory: Path, program: str) -> None:
    said = run([sys.executable, "-c", here(program, tiny, tiny_directory)], tiny)
    assert "None" not in said
