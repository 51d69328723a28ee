"""An installation of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.installation import Installed, installation


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    with installation(tmp_path) as found:
        yield found
