"""The boundary rules hold, each of them bites, and none of them bites the innocent."""

from pathlib import Path

import pytest

from tools.boundary import FILE_RULES, SOURCE_FOLDERS, check_repository, check_source
from tools.boundary_rules import ADVISORY, APP, AUTHORITY, GRANT_MAKER, MINIMUM, RULES

ROOT = Path(__file__).parents[2]
ADVISOR = ADVISORY + "advisor.py"
USE_CASE = AUTHORITY + "use_case.py"
ROUTER = APP + "routers/route.py"

PLANTED: dict[str, list[tuple[str, str]]] = {
    "X01": [
        (ADVISOR, "import importlib"),
        (ADVISOR, "import sqlite3"),
        (ADVISOR, "import socket"),
        (ADVISOR, "import subprocess, json"),
        (ADVISOR, "import ctypes"),
        (ADVISOR, "import pickle"),
        (ADVISOR, "from os import open"),
        (ADVISOR, "import os.path"),
        (ADVISOR, "import sys\nsys.path.insert(0, '/srv')"),
        (ADVISOR, "import gc"),
        (ADVISOR, "import operator"),
        (ADVISOR, "import zipimport"),
        (ADVISOR, "from pathlib import Path"),
        (ADVISOR, "from app import authority"),
        (ADVISOR, "from app.authority.permissions import grant"),
        (ADVISOR, "from app.domain_of_mine import x"),
        (ADVISOR, "from ..authority import permissions"),
        (ADVISOR, "def late():\n    import builtins"),
    ],
    "X02": [
        (ADVISOR, "__import__('app.authority')"),
        (ADVISOR, "exec('x = 1')"),
        (ADVISOR, "run = eval"),
        (ADVISOR, "compile('x', 'x', 'exec')"),
        (ADVISOR, "import typing\ntyping.get_type_hints(f)"),
        (ADVISOR, "from typing import ForwardRef"),
    ],
    "X03": [
        (ADVISOR, "import sys\nsys.modules['app.authority']"),
        (ADVISOR, "from sys import modules"),
        (ADVISOR, "getattr(object, 'x')"),
        (ADVISOR, "globals()['x']"),
        (ADVISOR, "__builtins__['open']"),
        (ADVISOR, "().__class__.__base__.__subclasses__()"),
        (ADVISOR, "import json\njson.codecs"),
        (ADVISOR, "import enum\nenum.bltns.eval"),
        (ADVISOR, "def f(): ...\nf.__globals__"),
        (ADVISOR, "(x for x in ()).gi_frame.f_builtins"),
        (ADVISOR, "try:\n    f()\nexcept E as e:\n    e.__traceback__.tb_frame"),
        (ADVISOR, "match f:\n    case object(__globals__=found):\n        pass"),
        (ADVISOR, "import dataclasses\ndataclasses.sys"),
        (ADVISOR, "from dataclasses import sys"),
        (ADVISOR, "import statistics\nstatistics._os"),
    ],
    "X04": [
        (ADVISOR, "open('/tmp/x', 'w')"),
        (ADVISOR, "open('/tmp/x')"),
        (ADVISOR, "read = open"),
        (ADVISOR, "snapshot.path.write_text('x')"),
        (ADVISOR, "snapshot.path.write_bytes(b'x')"),
        (ADVISOR, "snapshot.path.unlink()"),
    ],
    "A01": [
        (USE_CASE, "import importlib\nimportlib.import_module('fastapi')"),
        (USE_CASE, "from importlib import import_module"),
        (USE_CASE, "import importlib.util"),
        (USE_CASE, "import runpy"),
        (ROUTER, "__import__('mlx')"),
        (ROUTER, "import sys\nsys.modules['mlx']"),
        (ROUTER, "eval('1')"),
    ],
    "A02": [
        (USE_CASE, "import app"),
        (ROUTER, "import app.authority.permissions"),
        (ADVISOR, "import app as everything"),
    ],
    "A03": [
        (USE_CASE, "Grant(actor, permission)"),
        (ROUTER, "permissions.Grant(actor=actor)"),
        (ROUTER, "Grant.__new__(Grant)"),
        (ROUTER, "object.__new__(Grant)"),
        (ROUTER, "from app.authority.permissions import Grant as Proof"),
        (ROUTER, "class Forged(Grant): ..."),
        (ROUTER, "proof = Grant"),
    ],
    "A04": [
        (USE_CASE, "try:\n    act()\nexcept Exception:\n    pass"),
        (USE_CASE, "try:\n    act()\nexcept:\n    ..."),
        (
            USE_CASE,
            "for x in y:\n    try:\n        act()\n    except BaseException:\n        continue",
        ),
        (USE_CASE, "try:\n    act()\nexcept (OSError, Exception):\n    'never mind'"),
        (USE_CASE, "with contextlib.suppress(Exception):\n    act()"),
    ],
    "A05": [
        (APP + "engines/worker/loading.py", "load(path, trust_remote_code=True)"),
        (APP + "engines/worker/loading.py", "load(path, trust_remote_code=asked_for)"),
    ],
    "A06": [
        (APP + "engines/process.py", "subprocess.run(command, shell=True)"),
        (APP + "engines/process.py", "os.system('ls')"),
        (APP + "engines/process.py", "os.popen('ls')"),
    ],
    "A07": [
        (USE_CASE, "import os\nos.environ['LMX_HOME']"),
        (ROUTER, "from os import environ"),
        (ROUTER, "import os\nos.getenv('LMX_HOME')"),
    ],
    "F02": [(USE_CASE, "x = 1\n" * 351), ("tests/test_long.py", "x = 1\n" * 351)],
    "F03": [(USE_CASE, "def half("), (USE_CASE, "x = '\0'")],
}

INNOCENT = [
    (ADVISOR, "from app.domain.models import Model\nname = Model.id"),
    (ADVISOR, "class A:\n    def f(self):\n        return self._own + UseRow._fields"),
    (ADVISOR, "import re\nfrom collections.abc import Sequence\nre.compile('x')"),
    (ADVISOR, "from app.domain import models\nfrom app._experimental.snapshot import Snapshot"),
    (ADVISOR, "from dataclasses import replace\nreplace(x, y='a'.replace('a', 'b'))"),
    (USE_CASE, "from app.authority.permissions import Grant\ndef act(grant: Grant) -> None: ..."),
    (USE_CASE, "isinstance(proof, Grant)"),
    (USE_CASE, "try:\n    act()\nexcept OSError:\n    pass"),
    (USE_CASE, "try:\n    act()\nexcept Exception:\n    log()\n    raise"),
    (ROUTER, "from importlib.metadata import version\nfrom importlib import resources"),
    (ROUTER, "from importlib.util import find_spec"),
    (APP + "settings/__init__.py", "import os\nos.environ.get('LMX_HOME')"),
    (GRANT_MAKER, "Grant(actor, permission)"),
    (APP + "engines/worker/loading.py", "load(path, trust_remote_code=False)"),
    ("tests/test_short.py", "import importlib\neval('1')\n"),
]


def broken(path: str, source: str) -> set[str]:
    return {finding.rule for finding in check_source(path, source) if finding.fatal}


@pytest.mark.parametrize(
    ("rule", "path", "source"),
    [(rule, *planted) for rule, plants in PLANTED.items() for planted in plants],
)
def test_rule_bites(rule: str, path: str, source: str) -> None:
    assert rule in broken(path, source)


@pytest.mark.parametrize(("path", "source"), INNOCENT)
def test_the_innocent_pass(path: str, source: str) -> None:
    assert broken(path, source) == set()


def test_every_rule_has_a_planted_violation() -> None:
    in_a_tree = {"F01", "F04"}
    assert {rule.id for rule in RULES} | FILE_RULES.keys() == PLANTED.keys() | in_a_tree


def test_a_package_without_init_is_found(tmp_path: Path) -> None:
    """import-linter keeps silent about it: nothing in such a folder is scanned."""
    hidden = tmp_path / ADVISORY / "hidden"
    hidden.mkdir(parents=True)
    (tmp_path / APP / "__init__.py").touch()
    (tmp_path / ADVISORY / "__init__.py").touch()
    (hidden / "advisor.py").write_text("import sqlite3\n", "utf-8")
    found = {(finding.path, finding.rule) for finding in check_repository(tmp_path)}
    assert (ADVISORY + "hidden", "F01") in found
    assert (ADVISORY + "hidden/advisor.py", "X01") in found


def test_a_zone_that_moved_away_is_found(tmp_path: Path) -> None:
    """A check that scans nothing would be green for ever."""
    missing = {f.path for f in check_repository(tmp_path) if f.rule == "F04"}
    assert missing == {APP, ADVISORY, AUTHORITY}


def test_a_scan_of_too_little_is_found(tmp_path: Path) -> None:
    """Half a zone that is not looked at is where a violation would be."""
    zone = tmp_path / ADVISORY
    zone.mkdir(parents=True)
    for number in range(MINIMUM[ADVISORY] - 1):
        (zone / f"advisor{number}.py").touch()
    assert ADVISORY in {f.path for f in check_repository(tmp_path) if f.rule == "F04"}
    (zone / "another.py").touch()
    assert ADVISORY not in {f.path for f in check_repository(tmp_path) if f.rule == "F04"}


def test_no_folder_of_code_is_left_out() -> None:
    hidden = {".venv", "build", "dist", "shared"}
    holds = {file.parts[-2] for file in ROOT.glob("*/*.py")}
    holds |= {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/*/*.py")}
    found = {name for name in holds if not name.startswith(".")} - hidden
    assert found == set(SOURCE_FOLDERS)


def test_each_rule_says_why_and_what_to_do_instead() -> None:
    for rule in RULES:
        assert all(part.endswith(".") for part in (rule.says, rule.why, rule.instead)), rule.id
    (finding,) = check_source(ADVISOR, "import socket")
    assert RULES[0].why in finding.message
    assert RULES[0].instead in finding.message


def test_a_long_file_is_warned_about_before_it_fails() -> None:
    findings = list(check_source("tests/test_long.py", "x = 1\n" * 320))
    assert [(finding.rule, finding.fatal) for finding in findings] == [("F02", False)]
