"""Not done yet."""

from collections.abc import Callable

from app.engines.protocol import Load
from app.engines.worker.backend import CannotLoad, Loop, Preparing, Send


class GgufBackend:
    vocab_size: int

    def __init__(self, spec: Load) -> None:
        raise CannotLoad(f"{spec.model_id} is GGUF, which this server cannot load yet.")

    @property
    def preparing(self) -> Preparing:
        raise NotImplementedError

    def sing(self) -> None:
        raise NotImplementedError

    def loop(self, send: Send, over_memory: Callable[[], bool]) -> Loop:
        raise NotImplementedError
