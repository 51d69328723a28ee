"""What is in memory, as plain values: for `lmx status`, metrics and the answers of acts."""

from typing import Any

from app.authority import feasibility
from app.authority.lifecycle.residency import Held, Residency
from app.authority.lifecycle.transitions import HOLDS_MEMORY
from app.domain.memory import MemoryReading


def memory_of(reading: MemoryReading, residency: Residency, *, now: float) -> dict[str, int]:
    """The machine's memory with each term of the budget, in bytes, and the reading's age."""
    untaken = residency.promised_untaken_bytes()
    budget = feasibility.budget(reading, promised_untaken_bytes=untaken, now=now)
    return {
        "total_bytes": reading.total_bytes,
        "available_bytes": reading.available_bytes,
        "budget_bytes": budget.budget_bytes,
        "promised_untaken_bytes": untaken,
        "reading_age_ms": round((now - reading.taken_at) * 1000),
    }


def residency_of(held: Held, *, now: float | None = None) -> dict[str, Any]:
    """One model's residency as plain values, in bytes, tokens and whole seconds."""
    in_memory = held.state in HOLDS_MEMORY
    terms = held.terms if in_memory else None
    return {
        "id": held.model_id,
        "state": str(held.state),
        "pinned": held.pinned,
        "resident_bytes": held.resident_bytes,
        "promised_bytes": held.promised_bytes,
        "context": terms.context if terms else None,
        "slots": terms.slots if terms else None,
        "active": held.active,
        "queued": held.queued,
        "idle_s": round(now - held.last_used) if now is not None and held.last_used else None,
        "pid": held.engine.facts.pid if held.engine else None,
        "last_failure": held.last_failure,
    }
