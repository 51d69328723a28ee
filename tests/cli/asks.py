"""The ask that waits in tests of the command line."""

from tests.fakes.governance import FakeGovernance

WAITS = "0a0a0a0a"


def typed_for(governance: FakeGovernance, ask: str = WAITS) -> str:
    return governance.plans[ask].typed


def state(governance: FakeGovernance, ask: str = WAITS) -> str:
    return str(governance.asks[ask]["state"])
