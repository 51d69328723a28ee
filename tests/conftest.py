"""Settings that hold for every test."""

import resource
import signal

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

FIRST = (
    "tests/e2e/",
    "tests/faults/",
    "tests/starter/",
    "tests/architecture/",
    "tests/properties/",
)
"""What takes longest: at the end no process is left alone with it."""
APART = ("tests/architecture/", "tests/properties/", "tests/web/test_fuzz.py")
"""Long tests that share nothing. All others stay with their file, and with what it shares."""

# A busy machine is not a failure, and the same commit gives the same answer twice. Hypothesis would
# also try the constants of our modules that are imported by then, which differs from run to run.
providers._get_local_constants = providers.Constants
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, database=None, max_examples=60
)
settings.load_profile("repeatable")

# Started in the background by a shell, this process and all its children would ignore Ctrl-C, which
# some tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


def pytest_collection_finish() -> None:
    """MLX lowers how many files this process may have open, as soon as it is imported."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class FilesTogether(LoadScopeScheduling):
    """Gives the tests of a file to one process, in their order; those of APART wherever is room.

    By name: the plug-in's own groups, by marks, do nothing under this release of pytest.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return nodeid if file.startswith(APART) else file

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Forget a file once it is done: the plug-in would count through all of them every time."""
        scope = self._split_scope(self.registered_collections[node][item_index])
        super().mark_test_complete(node, item_index, duration)
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    return FilesTogether(config, log)
