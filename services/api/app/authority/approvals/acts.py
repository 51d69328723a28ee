"""What a kind of governed act is: how its plan is drawn, and how it is done. One file per kind.

`app.authority.acts` holds the kinds; what is not registered there cannot be asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.authority.approvals.plans import Drawn
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor


class NotFeasible(Exception):
    """The act cannot be done as asked, now. The message says what to change."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an act did, as measured. `failed` names each file that could not be taken away, and why.

    `done` False and nothing freed: nothing was changed. `data` must be plain JSON; `answer` goes to
    whoever executed and nowhere else (a new key's secret), never into a record.
    """

    done: bool
    freed_bytes: int = 0
    files: int = 0
    failed: tuple[str, ...] = ()
    reason: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def outcome(self) -> str:
        """`done`, `partial` or `failed`."""
        if self.done and not self.failed:
            return "done"
        return "partial" if self.done or self.freed_bytes or self.files else "failed"


class Act(Protocol):
    """One kind. `kind` is its name in asks, plans and the ledger."""

    @property
    def kind(self) -> str: ...
    @property
    def permission(self) -> Permission:
        """Who may ask for it."""

    @property
    def meaning(self) -> str:
        """One sentence for people."""

    @property
    def phrase(self) -> str:
        """What is typed to approve it, with the subject as `NAME`."""

    @property
    def asker_executes(self) -> bool:
        """Whether only who asked may execute it: its answer is for nobody else."""

    def draw(self, params: Mapping[str, Any], actor: Actor, /) -> Drawn:
        """What the act would do now. Called on a thread; changes nothing.

        Raises a Refusal for what does not exist or is malformed, NotFeasible for what cannot be
        done at the moment.
        """

    async def perform(self, warrant: Warrant) -> Effect:
        """Do what `warrant.plan` says and measure it. Called once per claim, on the event loop.

        Raises nothing on purpose: what fails is in the effect. Safe to call again with the same
        plan after a partial effect or a crash: what is done already is done.
        """
