"""Settings that hold for every test."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

E2E = Path(__file__).parent / "e2e"

# A busy machine is not a failure, and the same commit gives the same answer twice.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# Started in the background by a shell, this process and all its children would ignore Ctrl-C, which
# some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps whatever starts servers in one of the parallel processes (`--dist loadgroup`)."""
    for item in items:
        if "serial" in item.keywords or item.path.is_relative_to(E2E):
            item.add_marker(pytest.mark.xdist_group("serial"))
