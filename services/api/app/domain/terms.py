"""What a model is loaded on: what the settings say, and what was set for it alone. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

MAX_SLOTS: Final = 64
MAX_IDLE_S: Final = 31_536_000
"""A year."""
NEVER: Final = 0
"""As seconds of idling: a model is not unloaded for being idle."""


class Unchanged(Enum):
    """Said of a term that stays what it is: None would forget it."""

    UNCHANGED = "unchanged"


UNCHANGED: Final = Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class OwnTerms:
    """What people set for one model. None: the setting holds. `idle_s` may be NEVER."""

    context: int | None = None
    slots: int | None = None
    idle_s: int | None = None

    def changed(self, said: Mapping[str, int | Unchanged | None]) -> "OwnTerms":
        """These, but for what is said anew."""
        new = {name: value for name, value in said.items() if not isinstance(value, Unchanged)}
        return replace(self, **new)

    def as_dict(self) -> dict[str, int | None]:
        return {"context": self.context, "slots": self.slots, "idle_s": self.idle_s}

    def __str__(self) -> str:
        """As records say it: ``context 4096, slots 4, idle default``."""
        idle = "never" if self.idle_s == NEVER else _said(self.idle_s, " s")
        return f"context {_said(self.context)}, slots {_said(self.slots)}, idle {idle}"


@dataclass(frozen=True, slots=True)
class UsualTerms:
    """What a load gets where it says nothing, and how long a model may idle then. Whole seconds of
    idling or parts of them, as the settings have it; NEVER or less: for ever."""

    context: int
    slots: int
    idle_s: float

    def for_model(self, own: OwnTerms, *, max_context: int) -> "UsualTerms":
        """These as the settings', for a model that takes `max_context` tokens at most."""
        return UsualTerms(
            context=min(max_context, self.context if own.context is None else own.context),
            slots=self.slots if own.slots is None else own.slots,
            idle_s=self.idle_s if own.idle_s is None else own.idle_s,
        )

    def as_dict(self) -> dict[str, int]:
        return {"context": self.context, "slots": self.slots, "idle_s": math.ceil(self.idle_s)}


def _said(value: int | None, unit: str = "") -> str:
    return "default" if value is None else f"{value}{unit}"
