"""Proof that one approved plan may be carried out, once. What destroys takes one as a parameter.

`app.authority.warrants.issuing` makes them, and only whoever executes approvals may import that.
"""

from dataclasses import InitVar, dataclass, field
from typing import Any, Final, NoReturn, final

from app.domain.actors import Actor


@final
class _Seal:
    """Marks warrants that were issued."""

    __slots__ = ()


_SEAL: Final = _Seal()


@final
@dataclass(frozen=True, slots=True)
class Warrant:
    """An approved, claimed and still true plan whose intent is in the ledger.

    `plan` is the plan as parsed from the bytes that were approved; `phase` is `act`, or `purge` for
    the bytes that the act put in the trash.
    """

    act: str
    ask: str
    plan_hash: str
    plan: dict[str, Any]
    actor: Actor
    intent_seq: int
    phase: str
    seal: InitVar[object]
    _seal: object = field(init=False, repr=False, compare=False)

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a Warrant is issued for a claimed ask only")
        object.__setattr__(self, "_seal", seal)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Warrant cannot be copied or sent")


def require_warrant(held: Warrant, act: str, *, phase: str = "act") -> None:
    """Called first by everything that destroys: TypeError unless `held` is for this act."""
    if type(held) is not Warrant or getattr(held, "_seal", None) is not _SEAL:
        raise TypeError(f"{act} needs a Warrant, not {type(held).__name__}")
    if (held.act, held.phase) != (act, phase):
        raise TypeError(f"{act} ({phase}) needs a Warrant for it, not for {held.act}")
