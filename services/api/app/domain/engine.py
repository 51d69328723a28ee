"""What passes between the authority and the hands that run workers."""

from dataclasses import dataclass
from pathlib import Path

from app.domain.shapes import Format


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What a worker is to load: files already verified, limits already decided.

    `memory_limit_bytes` is what feasibility promised this worker in all, `prompt_cache_bytes` the
    part of it that prompts may be remembered in.
    """

    model_id: str
    digest: str
    directory: Path
    context: int
    slots: int
    memory_limit_bytes: int
    prompt_cache_bytes: int = 0
    format: Format = Format.MLX


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker reports once it has loaded and answered its canary."""

    pid: int
    load_ms: int
    vocab_size: int
    base_bytes: int
    resident_bytes: int


class LoadFailure(Exception):
    """A worker did not come up. `out_of_memory` asks for eviction and one retry."""

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.out_of_memory = out_of_memory
        self.run: str | None = None
        """SHA-256 of the attempt's run, once it was recorded."""
