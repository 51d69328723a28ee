"""Settings that hold for every test: no waiting on the network, and no two serial tests at once."""

from pathlib import Path

import pytest

E2E = Path(__file__).parent / "e2e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps whatever starts servers in one of the parallel processes (`--dist loadgroup`)."""
    for item in items:
        if "serial" in item.keywords or item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.xdist_group("serial"))
