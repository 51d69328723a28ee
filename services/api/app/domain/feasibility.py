"""The verdict on a load, with its arithmetic, and the limits of a worker that it rests on."""

from dataclasses import dataclass

# How much of a prompt a worker reads at once, and how many prompts: workspace grows with both, so
# the worker and feasibility take them from here.
PREFILL_CHUNK_TOKENS = 512
PREFILL_BATCH = 8

GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker will hold at its peak, term by term, in bytes."""

    weights_bytes: int
    kv_bytes: int
    workspace_bytes: int
    worker_base_bytes: int
    prompt_cache_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return sum(self.terms().values())

    def terms(self) -> dict[str, int]:
        return {
            "weights_bytes": self.weights_bytes,
            "kv_bytes": self.kv_bytes,
            "prompt_cache_bytes": self.prompt_cache_bytes,
            "workspace_bytes": self.workspace_bytes,
            "worker_base_bytes": self.worker_base_bytes,
        }

    def as_dict(self) -> dict[str, int]:
        return self.terms() | {"total_bytes": self.total_bytes}


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be promised now. `limit_bytes` is what the reading allows before the share is taken.

    `budget_bytes` is never below zero.
    """

    total_bytes: int
    available_bytes: int
    limit_bytes: int
    metal_headroom_bytes: int | None
    promised_untaken_bytes: int
    budget_bytes: int

    def as_dict(self) -> dict[str, int]:
        rows = {
            "total_bytes": self.total_bytes,
            "available_bytes": self.available_bytes,
            "limit_bytes": self.limit_bytes,
            "promised_untaken_bytes": self.promised_untaken_bytes,
            "budget_bytes": self.budget_bytes,
        }
        if self.metal_headroom_bytes is not None:
            rows["metal_headroom_bytes"] = self.metal_headroom_bytes
        return rows


@dataclass(frozen=True, slots=True)
class Fits:
    need: Need
    budget: Budget

    def as_dict(self) -> dict[str, dict[str, int]]:
        return {"need": self.need.as_dict(), "budget": self.budget.as_dict()}

    def message(self) -> str:
        spare = self.budget.budget_bytes - self.need.total_bytes
        return f"Fits: {_arithmetic(self.need)}, {gib(spare)} below the budget."


@dataclass(frozen=True, slots=True)
class DoesNotFit:
    need: Need
    budget: Budget

    @property
    def shortfall_bytes(self) -> int:
        """How much the budget lacks."""
        return self.need.total_bytes - self.budget.budget_bytes

    def as_dict(self) -> dict[str, dict[str, int]]:
        return {"need": self.need.as_dict(), "budget": self.budget.as_dict()}

    def message(self) -> str:
        return (
            f"Does not fit: {_arithmetic(self.need)}, but the budget is "
            f"{gib(self.budget.budget_bytes)}: {gib(self.shortfall_bytes)} too much. Ask for a "
            "smaller context or fewer slots, unload a model, or choose a smaller one."
        )


Verdict = Fits | DoesNotFit


def gib(count: int) -> str:
    """Bytes as people read them; below 1 MiB in KiB, so that nothing small is shown as none."""
    if count >= GIB:
        return f"{count / GIB:.2f} GiB"
    return f"{count / (1 << 20):.1f} MiB" if count >= 1 << 20 else f"{count / 1024:.1f} KiB"


def _arithmetic(need: Need) -> str:
    return (
        f"weights {gib(need.weights_bytes)} + cache {gib(need.kv_bytes)} + remembered prompts "
        f"{gib(need.prompt_cache_bytes)} + workspace {gib(need.workspace_bytes)} + worker "
        f"{gib(need.worker_base_bytes)} = {gib(need.total_bytes)}"
    )
