"""A home with a ledger in it, and a backup of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.backups import Made, create
from tests.fakes.home import Home, new_home
from tests.fakes.openings import filled

NOW_US = 1_800_000_000_000_000


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = new_home(tmp_path / "home")
    filled(made)
    (made.path / "config.yaml").write_text("port: 1234\n")
    (made.path / "operator.key").write_text("lmx_secret\n")
    yield made
    made.stop()


@pytest.fixture
def made(home: Home) -> Made:
    return create(home.path, now_us=NOW_US)
