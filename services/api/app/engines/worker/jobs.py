"""The loop of a model that generates nothing: only its jobs."""

from app.engines.worker.backend import Prepared
from app.engines.worker.stepping import Stepping


class Jobs(Stepping):
    """No sequence ever reaches it: whoever prepares them refuses."""

    is_speaking = False
    room = 0

    def begin(self, prepared: Prepared) -> None:
        raise NotImplementedError

    def step(self) -> None:
        raise NotImplementedError

    def leave(self, handle: int) -> bool:  # noqa: ARG002 - none runs
        return False
