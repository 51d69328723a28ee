"""Chooses the engine by the format of the files; only that one is imported."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.shapes import Format
from app.engines.protocol import Load
from app.engines.worker.backend import Backend


@dataclass(frozen=True, slots=True)
class Runtime:
    """An engine that is imported. `load` raises `CannotLoad`, or whatever the engine raises.

    `held_on_device` is bytes that it holds besides what is resident.
    """

    load: Callable[[Load], Backend]
    held_on_device: Callable[[], int]


def runtime_of(kind: Format) -> Runtime:
    if kind is Format.GGUF:
        from app.engines.worker.gguf.backend import open_model as open_gguf

        return Runtime(open_gguf, lambda: 0)
    from app.engines.worker.mlx_backend import held_on_device, open_model

    return Runtime(open_model, held_on_device)
