"""Settings that hold for every test."""

import resource
import signal

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/e2e/", "tests/faults/engine/")
"""Files whose tests share a server or a worker, which each finds as the one before left it."""

# A busy machine is not a failure, and the same commit gives the same answer twice. Hypothesis would
# also try the constants of our modules that are imported by then, which differs from run to run.
providers._get_local_constants = providers.Constants
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")

# Started in the background by a shell, this process and all its children would ignore Ctrl-C, which
# some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """MLX lowers how many files this process may have open, as soon as it is imported."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class FilesTogether(LoadScopeScheduling):
    """Gives the tests of some files to one process, in their order; all others wherever is room.

    By name: the plug-in's own groups, by marks, do nothing under this release of pytest.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return file if file.startswith(TOGETHER) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    return FilesTogether(config, log)
