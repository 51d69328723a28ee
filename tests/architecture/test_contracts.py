"""Every import contract holds, and each of them bites when its line is crossed."""

import os
import shutil
import subprocess
import sys
from configparser import ConfigParser
from copy import deepcopy
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter import configuration
from importlinter.application import use_cases
from importlinter.application.app_config import settings

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "importlinter:contract:"

# contract -> imports that must break it: (importer, imported). An importer alone is a new module.
PLANTED: dict[str, list[tuple[str, ...]]] = {
    "flow": [
        ("app.domain", "app.authority.permissions"),
        ("app.authority.permissions", "app.engines.protocol"),
        ("app.authority.permissions", "app.routers.errors"),
        ("app.engines.protocol", "app.authority.ports"),
        ("app.database", "app.authority.permissions"),
        ("app.a_module_no_layer_names",),
    ],
    "authority-flow": [
        ("app.authority.permissions", "app.authority.inference"),
        ("app.authority.ledger", "app.authority.lifecycle.loading"),
        ("app.authority.feasibility", "app.authority.lifecycle.eviction"),
        ("app.authority.a_package_no_layer_names",),
    ],
    "advisory": [
        ("app._experimental", "app.authority.permissions"),
        ("app._experimental", "app.settings"),
        ("app._experimental", "app.clock"),
        ("app._experimental", "sqlite3"),
        ("app._experimental", "subprocess"),
    ],
    "authority-is-framework-free": [
        ("app.authority.permissions", "fastapi"),
        ("app.authority.ledger", "subprocess"),
        ("app.authority.feasibility", "mlx"),
    ],
    "ml-runtimes-stay-in-the-worker": [
        ("app.main", "mlx"),
        ("app.engines.protocol", "mlx_lm"),
        ("app.domain", "transformers"),
    ],
    "worker-is-a-separate-program": [
        ("app.engines.worker.loading", "app.authority.permissions"),
        ("app.engines.worker.loading", "sqlalchemy"),
    ],
    "few-know-it-is-sqlite": [
        ("app.authority.reading", "sqlite3"),
        ("app.authority.auditing.custody", "sqlite3"),
        ("app.routers.errors", "sqlite3"),
    ],
    "worker-is-never-imported": [
        ("app.engines.supervisor", "app.engines.worker.loading"),
        ("app.main", "app.engines.worker"),
    ],
    "walls-know-advice-only": [
        ("app.walled.pump", "app.engines.advisor_frames"),
        ("app.walled.walls", "app.authority.permissions"),
        ("app.walled", "app.home"),
        ("app.walled.frames", "socket"),
    ],
    "walled-is-never-imported": [
        ("app.engines.advisor_bundle", "app.walled.standing"),
        ("app._experimental.registry", "app.walled.frames"),
    ],
    "no-cloud": [("app.routers.errors", "openai"), ("app.engines.worker.loading", "anthropic")],
    "no-pickle": [("app.engines.worker.loading", "pickle"), ("app.authority.catalog", "torch")],
    "network-has-few-doors": [
        ("app.authority.catalog", "huggingface_hub"),
        ("app.engines.supervisor", "huggingface_hub"),
        ("app.engines.supervisor", "httpx2"),
        ("app.wiring", "httpx2"),
        ("app.routers.errors", "httpx"),
        ("app.domain", "socket"),
    ],
    "processes-have-few-doors": [
        ("app.main", "subprocess"),
        ("app.engines.supervisor", "multiprocessing"),
        ("app.engines.advisor_host", "subprocess"),
        ("app.walled.walls", "subprocess"),
    ],
    "cli-is-a-client": [
        ("app.cli.models", "app.authority.permissions"),
        ("app.cli.status", "app.database"),
    ],
    "one-door-to-settings": [
        ("app.authority.permissions", "app.settings"),
        ("app.routers.errors", "app.settings"),
    ],
    "database-is-private": [("app.routers.errors", "app.database")],
    "stores-are-private": [("app.routers.errors", "app.authority.ledger.store")],
    "pure-core": [
        ("app.authority.feasibility", "psutil"),
        ("app.domain", "pydantic"),
        ("app.authority.lifecycle.eviction", "time"),
        ("app.authority.policy.hard", "os"),
    ],
    "warrants-have-one-issuer": [
        ("app.authority.acts.model_load", "app.authority.warrants.issuing"),
        ("app.authority.governance", "app.authority.warrants.issuing"),
    ],
    "surfaces-are-independent": [("app.routers.openai", "app.routers.authority")],
    "no-cycles": [
        ("app.domain.actors", "app.domain.refusals"),
        ("app.domain.refusals", "app.domain.actors"),
    ],
}
# Each of these shows one thing only with all of its imports together.
TOGETHER = frozenset({"no-cycles"})


class PlantedGraph:
    """Gives import-linter a graph that is already built, with imports added."""

    def __init__(self, graph: grimp.ImportGraph, planted: list[tuple[str, ...]]) -> None:
        self.graph = deepcopy(graph)
        for modules in planted:
            for module in modules:
                if module not in self.graph.modules:
                    self.graph.add_module(module, is_squashed=not module.startswith("app"))
            if len(modules) == 2:
                self.graph.add_import(importer=modules[0], imported=modules[1])

    def build(self, **_: Any) -> grimp.ImportGraph:
        return self.graph


def contract_names() -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / ".importlinter", "utf-8")
    return {
        section.removeprefix(PREFIX): parser[section]["name"]
        for section in parser.sections()
        if section.startswith(PREFIX)
    }


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("app", include_external_packages=True, cache_dir=None)


def holds(
    contract: str,
    graph: grimp.ImportGraph,
    planted: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> bool:
    configuration.configure()
    options = use_cases.read_user_options(str(ROOT / ".importlinter"))
    use_cases._register_contract_types(options)
    monkeypatch.setattr(settings, "GRAPH_BUILDER", PlantedGraph(graph, planted), raising=False)
    report = use_cases.create_report(options, (contract,), cache_dir=None)
    assert not report.invalid_contract_options
    return not report.contains_failures


def plants() -> list[Any]:
    return [
        pytest.param(contract, planted, id=f"{contract}-{number}")
        for contract, imports in PLANTED.items()
        for number, planted in enumerate(
            [imports] if contract in TOGETHER else [[one] for one in imports]
        )
    ]


def test_every_contract_has_a_planted_violation() -> None:
    assert contract_names().keys() == PLANTED.keys()


@pytest.mark.parametrize(("contract", "planted"), plants())
def test_contract_bites(
    contract: str,
    planted: list[tuple[str, ...]],
    graph: grimp.ImportGraph,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Kept as the code stands, broken with the planted import and nothing else changed."""
    assert holds(contract, graph, [], monkeypatch)
    assert not holds(contract, graph, planted, monkeypatch)


def lint_imports(package_parent: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo", "--no-cache"],
        cwd=package_parent,
        env={**os.environ, "PYTHONPATH": str(package_parent), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    shutil.copytree(
        ROOT / "services/api/app", tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_every_contract_is_kept(copied_tree: Path) -> None:
    done = lint_imports(copied_tree)
    assert f"{len(PLANTED)} kept, 0 broken" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_the_command_fails_and_names_every_contract_that_is_broken(copied_tree: Path) -> None:
    """The same planted imports, as lines in real files, seen by the real command."""
    for imports in PLANTED.values():
        for importer, *imported in imports:
            path = copied_tree.joinpath(*importer.split("."))
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            with file.open("a", encoding="utf-8") as code:
                code.writelines(f"\nfrom {module} import anything\n" for module in imported)
    done = lint_imports(copied_tree)
    assert done.returncode == 1
    reported = {name for name in contract_names().values() if f"{name} BROKEN" in done.stdout}
    assert reported == set(contract_names().values()), done.stdout + done.stderr
