"""The documents that were loaded, read back and compared with what the ledger recorded of them."""

import hashlib
import threading
from collections import OrderedDict
from typing import Final, cast

from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.reading import Form, read_again
from app.authority.guardrails.store import GuardrailsStore, VersionRow
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.domain.refusals import AuditUnavailable, GuardrailsNotFound
from app.evidence.vocabulary import Kind

KEPT: Final = 8
"""Documents that are kept in memory: what a change and its roll-back look at."""
PAGE: Final = 1000

Said = tuple[str, str]
"""The hash of a normal form and the SHA-256 of the bytes, as a row has them."""


class Documents:
    """Every method may be called from any thread. A document never changes once it is loaded."""

    def __init__(self, ledger: Ledger, store: GuardrailsStore) -> None:
        self._ledger = ledger
        self._store = store
        self._known: OrderedDict[int, tuple[Said, Guardrails]] = OrderedDict()
        self._lock = threading.Lock()

    def row(self, version: int) -> VersionRow:
        """A version as it was loaded. Raises GuardrailsNotFound, AuditUnavailable."""
        found = self._store.version(version)
        if found is None:
            raise GuardrailsNotFound(
                f"There is no version {version} of the guardrails. lmx guardrails versions lists "
                "them.",
                param="version",
            )
        return found

    def get(self, version: int) -> Guardrails:
        """The document of a version, as the ledger recorded it.

        Raises GuardrailsNotFound; AuditUnavailable when it is another by now; GuardrailsInvalid
        when this release cannot read it any more.
        """
        row = self.row(version)
        said = (row.hash, hashlib.sha256(row.document).hexdigest())
        with self._lock:
            known = self._known.get(version)
            if known is None:
                known = self._known[version] = (said, self._compared(row, said))
            self._known.move_to_end(version)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        if known[0] != said:
            raise altered(f"version {version} of the guardrails")
        return known[1]

    def _compared(self, row: VersionRow, said: Said) -> Guardrails:
        event = self._loaded(row.version)
        if event is None or not event.intact:
            raise altered(f"version {row.version} of the guardrails")
        if (event.data.get("hash"), event.data.get("document")) != said:
            raise altered(f"version {row.version} of the guardrails")
        document = read_again(row.document.decode(), cast(Form, row.form), row.hash)
        if document.hash != row.hash:
            raise altered(f"version {row.version} of the guardrails")
        return document

    def _loaded(self, version: int) -> StoredEvent | None:
        """The event of the moment when a version was loaded."""
        after = 0
        while True:
            page = self._ledger.events(after, PAGE, kind=Kind.GUARDRAILS_LOADED)
            for event in page:
                if event.data.get("version") == version:
                    return event
            if len(page) < PAGE:
                return None
            after = page[-1].seq


def altered(what: str) -> AuditUnavailable:
    return AuditUnavailable(
        f"What the database holds of {what} is not what the ledger recorded: somebody changed it "
        "by other means. Nothing that guardrails decide on is done. Keep a copy of lmx.db as "
        "evidence and restore a backup."
    )
