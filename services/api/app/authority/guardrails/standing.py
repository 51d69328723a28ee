"""What the guardrails are now, checked against the ledger: a document, and what is bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine

from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.values import Definition
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One state of the guardrails.

    `version`: number of the active document. `rules`: a `Ruleset` over everything that is bound.
    `definitions`: what is bound, by task. `policy_part`: SHA-256 over the document's hash and the
    ruleset's: a part of the policy's hash. `generation` grows with every change.
    """

    version: int
    guardrails: Guardrails
    rules: Any
    definitions: Mapping[str, Definition]
    policy_part: str
    generation: int


class Standing:
    """Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine, clock: Clock) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock

    def current(self) -> Now:
        """What holds now, from memory while nothing was added.

        Raises AuditUnavailable when the tables and the ledger differ: then nothing that guardrails
        decide on may be done.
        """
        raise NotImplementedError

    def checked(self) -> Now:
        """As `current`, read anew and compared with the ledger whatever is in memory."""
        raise NotImplementedError
