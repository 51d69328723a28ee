"""Every command and program that docs/bots.md shows for a client that is here works as shown."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.server import ROOT, RunningServer
from tests.e2e.test_readme import as_here, commands, run

PAGE = (ROOT / "docs/bots.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCKS = FENCED.findall(PAGE)
SHELL = [line for kind, block in BLOCKS if kind == "sh" for line in commands(block)]
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
NODE = [block for kind, block in BLOCKS if kind == "javascript"]
NOT_RUN = "no test here runs it"


@pytest.mark.parametrize("command", SHELL)
def test_a_command_works(tiny: RunningServer, tiny_directory: Path, command: str) -> None:
    said = run(["bash", "-c", as_here(command, tiny, tiny_directory)], tiny)
    assert '"error"' not in said


@pytest.mark.parametrize("program", PYTHON, ids=["streamed", "refused", "anthropic"])
def test_a_program_works(tiny: RunningServer, tiny_directory: Path, program: str) -> None:
    said = run([sys.executable, "-c", as_here(program, tiny, tiny_directory)], tiny)
    assert said.strip()


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_a_program_for_node_works(tiny: RunningServer, tiny_directory: Path) -> None:
    (program,) = NODE
    shown = as_here(program, tiny, tiny_directory)
    assert run(["node", "--input-type=module", "-e", shown], tiny).strip() != "undefined"


def test_what_is_not_run_here_says_so_and_has_the_address() -> None:
    """Python that is not run is marked `py`, JavaScript `js`: each says who tried it."""
    for kind, block in BLOCKS:
        if kind in ("py", "js"):
            before = PAGE.partition(f"\n\n```{kind}\n{block}")[0].rpartition("\n\n")[2]
            assert NOT_RUN in before, block
            assert "http://127.0.0.1:1234/v1" in block
            if kind == "py":
                compile(block, "docs/bots.md", "exec")
        elif kind == "yaml":
            assert yaml.safe_load(block)["models"][0]["apiBase"] == "http://127.0.0.1:1234/v1"
        elif kind == "json":
            assert "http://127.0.0.1:1234/v1" in json.dumps(json.loads(block))
    assert "None of these was run here" in PAGE


def test_every_common_client_is_there() -> None:
    for name in ("curl", "`openai`", "`anthropic`", "Node", "LangChain", "LlamaIndex", "Continue",
                 "Zed", "Open WebUI", "LM Studio"):  # fmt: skip
        assert name in PAGE
