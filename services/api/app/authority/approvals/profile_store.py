"""The only place that reads and writes the approval profile.

Profiles are only ever added; each is evidence of the event that records it, and what the table says
now is compared with that event before anybody goes by it. Making the rule tighter is an act of an
operator at once; making it looser needs a warrant: the old rule decides whether it may be loosened.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.authority.approvals.profiles import (
    SOLO,
    Profile,
    ProfileKind,
    is_looser,
    parse,
    profile_of,
    refuse_impossible,
)
from app.authority.keys.confirmation import confirmed
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import ApprovalRequired, AuditUnavailable, InvalidRequest, PlanStale
from app.evidence.vocabulary import Kind

LOOSEN: Final = "profile_loosen"
"""The kind of act that makes the rule looser."""

_NEWEST: Final = "SELECT document FROM approval_profile ORDER BY version DESC LIMIT 1"
_INSERT: Final = (
    "INSERT INTO approval_profile (version, document, changed_us, changed_by) VALUES (?, ?, ?, ?)"
)


class Profiles:
    """The approval profile of this installation. Every method may be called from any thread.

    `approvers` answers which persons hold an active approver's key now.
    """

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        clock: Clock,
        approvers: Callable[[], frozenset[str]],
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._approvers = approvers
        self._changing = threading.Lock()
        self._checked: tuple[bytes, Profile] | None = None

    def current(self) -> Profile:
        """What holds now; `SOLO` before anybody said anything.

        Raises AuditUnavailable when the table and the ledger differ: then nothing can be approved.
        """
        document = self._stored()
        checked = self._checked
        if checked is not None and checked[0] == document:
            return checked[1]
        profile = self._compared(document)
        self._checked = (document, profile)
        return profile

    def proposed(self, kind: object, groups: object) -> Profile:
        """The profile that would come next. Raises InvalidRequest, QuorumImpossible."""
        current = self.current()
        wanted = profile_of(kind, groups, version=current.version + 1)
        if (wanted.kind, wanted.groups) == (current.kind, current.groups):
            raise InvalidRequest("The approval profile is that one already.", param="groups")
        refuse_impossible(wanted, self._approvers())
        return wanted

    def would_loosen(self, kind: object, groups: object) -> bool:
        """Whether this is not provably at least as tight as what holds."""
        return is_looser(self.current(), self.proposed(kind, groups))

    def tighten(
        self, grant: Grant, kind: object, groups: object, confirmation: str | None
    ) -> Profile:
        """Ask for more from now on. Raises ApprovalRequired for what is not provably tighter."""
        require(grant, Permission.PROFILE_MANAGE)
        with self._changing:
            wanted = self.proposed(kind, groups)
            if is_looser(self.current(), wanted):
                raise ApprovalRequired(
                    "This would make the rule of approval looser, or could: that needs approvals "
                    f"under the rule as it is. Ask for it as the act {LOOSEN}."
                )
            confirmed(confirmation, tightening_phrase(wanted))
            return self._save(wanted, grant.actor)

    def loosen(self, warrant: Warrant) -> Profile:
        """Save the profile that the plan holds. Safe to call again: it is saved once."""
        require_warrant(warrant, LOOSEN)
        wanted = parse(warrant.plan["effects"]["profile"].encode())
        with self._changing:
            current = self.current()
            if current == wanted:
                return current
            if wanted.version != current.version + 1:
                raise PlanStale("The approval profile was changed since. Ask again.")
            refuse_impossible(wanted, self._approvers())
            return self._save(wanted, warrant.actor, ask=warrant.ask)

    # --- private ----------------------------------------------------------------------------

    def _save(self, profile: Profile, by: Actor, *, ask: str | None = None) -> Profile:
        event = LedgerEvent(
            Kind.PROFILE_CHANGED,
            by,
            outcome="done",
            data={
                "profile": str(profile.kind),
                "version": profile.version,
                "profile_digest": profile.digest,
                **({} if ask is None else {"ask": ask}),
            },
            evidence=(profile.bytes,),
        )
        row = (profile.version, profile.bytes, self._clock.utc_us(), by.id)
        self._checked = None  # the document before this one is not known to be true any more
        with self._ledger.recording(event) as connection:
            connection.exec_driver_sql(_INSERT, row)
        return profile

    def _stored(self) -> bytes:
        """The newest document, empty when there is none."""
        try:
            with self._engine.connect() as connection:
                found = connection.exec_driver_sql(_NEWEST).scalar_one_or_none()
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error
        return b"" if found is None else bytes(found)

    def _compared(self, document: bytes) -> Profile:
        """The profile of a document that the ledger's newest event of it names."""
        known = list(self._ledger.latest(Kind.PROFILE_CHANGED).values())
        if not known and not document:
            return SOLO
        digest = hashlib.sha256(document).hexdigest()
        if [(one.intact, one.data.get("profile_digest")) for one in known] != [(True, digest)]:
            raise _altered()
        try:
            return parse(document)
        except ValueError as error:
            raise _altered() from error


def tightening_phrase(profile: Profile) -> str:
    """What is typed to ask for more from now on."""
    if profile.kind is ProfileKind.SOLO:
        return "yes, keep one person"
    return f"yes, require {profile.needed} other {'person' if profile.needed == 1 else 'persons'}"


def _altered() -> AuditUnavailable:
    return AuditUnavailable(
        "The approval profile in the database is not the one that the ledger recorded: somebody "
        "changed it by other means. Nothing can be approved. Keep a copy of lmx.db as evidence and "
        "restore a backup."
    )
