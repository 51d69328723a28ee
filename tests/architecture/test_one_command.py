"""Make, CI and pre-commit run the same checks, and none of them can fail in silence."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.checks import CHECKS, run

ROOT = Path(__file__).resolve().parents[2]


def test_pre_commit_runs_the_same_checks_and_fetches_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    hooks = config["repos"][0]["hooks"]
    assert {hook["id"] for hook in hooks} == CHECKS.keys()
    for hook in hooks:
        assert hook["language"] == "system"
        assert hook["entry"] == f".venv/bin/python -m tools.checks {hook['id']}"
        assert hook["always_run"]


@pytest.mark.timeout(600)  # mypy, from nothing, on a busy machine
@pytest.mark.parametrize("check", CHECKS)
def test_this_checkout_passes(check: str) -> None:
    """`make test` runs pytest alone: a failed check is a failed test in the one summary."""
    _, status, _, output = run(check)
    assert status == 0, output


def test_make_test_ends_with_the_summary_of_pytest() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert " -m pytest " in done.stdout.splitlines()[-1]


def test_ci_runs_make_test_and_passes_its_status_on(tmp_path: Path) -> None:
    stand_in = tmp_path / "make"
    stand_in.write_text('#!/bin/sh\necho "make $*"\nexit 7\n', "utf-8")
    stand_in.chmod(0o755)
    done = subprocess.run(
        [ROOT / ".ci/run"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("make test\n", 7)


def test_no_failure_is_waved_through() -> None:
    files = [ROOT / "Makefile", ROOT / ".ci/run", ROOT / ".pre-commit-config.yaml"]
    files += [file for file in (ROOT / "tools").iterdir() if file.is_file()]
    assert len(files) > 5
    forbidden = ("|| " + "true", "|| " + ":", "|| exit 0", "--exit-zero")
    guilty = [
        (file.name, words)
        for file in files
        for words in forbidden
        if words in file.read_text("utf-8")
    ]
    assert guilty == []


def test_plain_make_lists_every_target() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    targets = "setup run test check fix test-faults bench starter-model lock docs clean".split()
    assert [target for target in targets if f"make {target} " not in done.stdout] == []


def test_only_the_command_line_moves_the_port() -> None:
    def serve_line(*arguments: str) -> str:
        done = subprocess.run(
            ["make", "--dry-run", "run", *arguments],
            cwd=ROOT,
            env={**os.environ, "PORT": "999"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    assert "--port" not in serve_line()
    assert serve_line("PORT=1235").endswith("--port 1235")
