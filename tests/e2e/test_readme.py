"""Every command and every program that the README shows works as shown."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.asking import complete
from tests.e2e.server import ROOT, RunningServer, with_checkout

FENCED = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
README = (ROOT / "README.md").read_text("utf-8")
MADE_ELSEWHERE = re.compile(r"make [a-z-]+\b.*")
"""`make run` and `make test` have tests of their own; the latter runs this file."""
BY_HAND = re.compile(r".*lmx (models (pull|rm|adopt)|store restore)\b.*")
"""What a person types something for, in an order: `test_readme_by_hand`."""


def commands(block: str) -> list[str]:
    """The block's commands, one for each, with their continuation lines."""
    joined = block.replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


SHELL = [c for kind, block in FENCED.findall(README) if kind == "sh" for c in commands(block)]
PYTHON = [block for kind, block in FENCED.findall(README) if kind == "python"]


def as_here(shown: str, server: RunningServer, model: Path) -> str:
    """The command with this test's server, model and environment in place of the reader's."""
    lmx = f"{shlex.quote(sys.executable)} -m app.cli.main"
    shown = shown.replace("http://127.0.0.1:1234", server.url)
    shown = re.sub(r"~/models/[\w.-]+", shlex.quote(str(model)), shown)
    shown = shown.replace(".venv/bin/lmx", lmx)
    return shown.replace("curl -s ", "curl -s --fail-with-body ")


def run(command: list[str], server: RunningServer) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env=with_checkout(server.environment),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout
    return done.stdout


def test_the_readme_shows_what_a_newcomer_needs() -> None:
    shown = "\n".join(SHELL)
    for needed in ("make run", "make test", "curl", "lmx chat", "lmx status", "lmx models import",
                   "lmx models fit", "lmx ledger ls"):  # fmt: skip
        assert needed in shown
    assert PYTHON


@pytest.mark.parametrize(
    "command", [c for c in SHELL if not MADE_ELSEWHERE.match(c) and not BY_HAND.match(c)]
)
def test_a_command_of_the_readme_works(
    tiny: RunningServer, tiny_directory: Path, command: str
) -> None:
    run(["bash", "-c", as_here(command, tiny, tiny_directory)], tiny)


@pytest.mark.parametrize("program", PYTHON, ids=lambda program: program.split("\n")[0])
def test_a_program_of_the_readme_works(
    tiny: RunningServer, tiny_directory: Path, program: str
) -> None:
    assert run([sys.executable, "-c", as_here(program, tiny, tiny_directory)], tiny).strip()


def test_a_model_imported_as_the_readme_shows_answers_from_then_on(
    tiny: RunningServer, tiny_directory: Path
) -> None:
    shown = next(c for c in SHELL if "models import" in c)
    name = shown.split("--name ")[1].split()[0]
    assert f'`"model": "{name}"` answers' in README
    run(["bash", "-c", as_here(shown, tiny, tiny_directory)], tiny)
    assert complete(tiny, "a", model=name, max_tokens=2)["usage"]["completion_tokens"] == 2
    assert tiny.lmx("models", "unload", name).returncode == 0


def test_make_targets_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z][a-z-]*)(?=[ `\n#])", "\n".join(SHELL)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
