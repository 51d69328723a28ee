"""What is in memory after an import: the half of the zones that reading the code cannot show."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

IMPORT_ALL = """
import importlib, json, pkgutil, sys
package = importlib.import_module("app._experimental")
names = [package.__name__]
names += [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    importlib.import_module(name)
print(json.dumps([names, sorted(sys.modules)]))
"""


def in_a_fresh_interpreter(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services/api")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(modules: list[str], *packages: str) -> list[str]:
    return [
        module
        for module in modules
        if any(module == package or module.startswith(package + ".") for package in packages)
    ]


def test_advice_brings_no_authority_into_memory() -> None:
    """Import contracts cannot see code that is loaded by name; memory does."""
    names, modules = json.loads(in_a_fresh_interpreter(IMPORT_ALL))
    assert "app._experimental" in names
    reached = loaded(
        modules, "app.authority", "app.engines", "app.routers", "app.settings", "app.database"
    )
    assert reached == []
    assert loaded(modules, "sqlalchemy", "sqlite3", "fastapi", "httpx", "mlx", "mlx_lm") == []


@pytest.mark.parametrize("entry", ["app.main", "app.wiring", "app.cli.main"])
def test_the_server_and_its_client_never_import_an_ml_runtime(entry: str) -> None:
    """MLX lives in the workers: importing it here would cost memory, and a crash the server."""
    code = f"import json, sys, {entry}\nprint(json.dumps(sorted(sys.modules)))"
    modules = json.loads(in_a_fresh_interpreter(code))
    assert entry in modules
    assert loaded(modules, "mlx", "mlx_lm", "transformers", "tokenizers", "numpy", "torch") == []
    assert loaded(modules, "app.engines.worker", "app._experimental") == []
