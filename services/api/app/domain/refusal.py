"""Every anticipated no: a stable code and a sentence that says what to do.

Refusals do not know HTTP; `app.routers.errors` maps each class to a status. Raising one is normal;
anything else that is raised is a bug.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar


class Refusal(Exception):
    """Base of all refusals. The class is the code; the instance says what to do.

    `retry_after_s` is set where waiting may help; without it, retrying will not cure the refusal.
    `param` names the offending request field. `recorded` says whether the ledger keeps the
    refusal: acts that were refused are, malformed requests are not.

    `act` and `inputs` say what was attempted, where `attempting` was around it; `run` is the
    SHA-256 of the attempt's run once the act itself has recorded one; `proposal` is the one that
    was accepted, where that is how the attempt came about.
    """

    code: ClassVar[str] = "refused"
    recorded: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.details = dict(details or {})
        self.act: str | None = None
        self.inputs: Mapping[str, Any] = {}
        self.run: str | None = None
        self.proposal: str | None = None


class RecordedRefusal(Refusal):
    """A refused act: the ledger keeps it."""

    recorded: ClassVar[bool] = True


@contextmanager
def attempting(act: str, **inputs: Any) -> Iterator[None]:
    """Whatever is refused in here was an attempt at `act`; the innermost one names it.

    `act` is a permission's name or a kind of act; `inputs` are what was asked for, as asked.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.act is None:
            refusal.act, refusal.inputs = act, inputs
        raise
