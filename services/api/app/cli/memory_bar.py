"""The memory of the machine as a bar and its terms, as the server computed them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.cli.text import size


@dataclass(frozen=True, slots=True)
class Term:
    """A part of the memory, in bytes, and the sign that stands for it in the bar."""

    sign: str
    name: str
    count: int

    def said(self) -> str:
        return f"{self.sign} {self.name} {size(self.count)}"


def terms(memory: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> list[Term]:
    """The parts, which sum up to the total, and none of them is negative.

    What is available is what may be loaded now (the budget), what loading and ready models were
    promised and have not taken yet, and what is always left free. The rest is in use.
    """
    total, available = _count(memory.get("total_bytes")), _count(memory.get("available_bytes"))
    available = min(available, total)
    resident = min(sum(_count(m.get("resident_bytes")) for m in models), total - available)
    promised = min(_count(memory.get("promised_untaken_bytes")), available)
    budget = min(_count(memory.get("budget_bytes")), available - promised)
    return [
        Term(":", "others", total - available - resident),
        Term("#", "models", resident),
        Term("+", "promised", promised),
        Term("-", "budget", budget),
        Term(".", "kept free", available - promised - budget),
    ]


def bar(parts: Sequence[Term], width: int) -> str:
    """`width` signs; whatever is not nothing has one at least, where there is room for that."""
    total = sum(part.count for part in parts)
    if total <= 0 or width < len(parts):
        return ""
    cells = [max(1, part.count * width // total) if part.count else 0 for part in parts]
    while sum(cells) != width:
        step = 1 if sum(cells) < width else -1
        # Whichever is furthest from its true share gives or takes one.
        off = [part.count * width / total - n for part, n in zip(parts, cells, strict=True)]
        allowed = [i for i, n in enumerate(cells) if (n > 1 if step < 0 else parts[i].count)]
        cells[max(allowed, key=lambda i: off[i] * step)] += step
    return "".join(part.sign * n for part, n in zip(parts, cells, strict=True))


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) and not isinstance(value, bool) else 0
