"""Opens as much of the state as making an operator's key takes, and closes it again."""

import uuid
from importlib.metadata import version as installed_version
from pathlib import Path

from app.authority.approvals.profile_store import Profiles
from app.authority.approvals.profiles import ProfileKind
from app.authority.keys import Keys
from app.authority.keys.recovering import Recovered
from app.authority.keys.recovering import recover as make
from app.authority.ledger.opening import record_opening
from app.clock import SystemClock
from app.database import current_revision, open_engine
from app.domain.refusals import AuditUnavailable, StartRefused
from app.domain.revisions import REVISIONS
from app.settings import Settings
from app.wiring.opening import ledger_in


def recover(settings: Settings, *, home: Path) -> Recovered:
    """Make a new operator's key; the caller holds `home`. Raises StartRefused, AuditUnavailable."""
    path = home / "lmx.db"
    if current_revision(path) != REVISIONS[-1]:
        raise StartRefused(
            f"{path} is not of this release. Start the server once, which brings it up to date and "
            "needs no key, stop it, then recover the key."
        )
    version = installed_version("lmx-authority")
    database = open_engine(path)
    try:
        clock = SystemClock()
        opened = ledger_in(
            settings, database, clock, home=home, version=version, boot_id=str(uuid.uuid4())
        )
        ledger = opened.ledger
        try:
            record_opening(opened)
            profiles = Profiles(ledger, database, clock, Keys(ledger, database, clock).approvers)
            # A profile that cannot be read is a dual one: nobody becomes an approver by damage.
            solo = _kind(profiles) is ProfileKind.SOLO
            return make(ledger, database, clock, home / "operator.key", solo=solo)
        finally:
            ledger.close()
    finally:
        database.dispose()


def _kind(profiles: Profiles) -> ProfileKind:
    try:
        return profiles.current().kind
    except AuditUnavailable:
        return ProfileKind.DUAL
