"""Full in-memory stand-ins for what the HTTP edge calls besides inference.

Roles are judged by the real `grant`, so that a route's answer to the wrong key is the real one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from app.authority.permissions import Permission, grant
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.models import CatalogModel, Trust
from app.domain.refusals import (
    ApprovalUnavailable,
    AuditUnavailable,
    BackupRefused,
    ConfirmationRequired,
    EventNotFound,
    IntakeRefused,
    KeyInvalid,
    KeyMissing,
    ModelNotFound,
    Refusal,
)

Json = dict[str, Any]

OPERATOR_KEY = "lmx_00000001_operator"
CLIENT_KEY = "lmx_00000002_client"
AUDITOR_KEY = "lmx_00000003_auditor"
ADVISOR_KEY = "lmx_00000005_advisor"
APPROVER_KEY = "lmx_00000006_approver"
REVOKED_KEY = "lmx_00000004_revoked"

ECHO = CatalogModel(
    id="lab/echo",
    digest="ab" * 32,
    trust=Trust.VERIFIED,
    size_bytes=1,
    architecture="llama",
    max_context=128,
    created=1_700_000_000,
    source="lab/echo",
)


def _actor(name: str, *roles: Role, person: str | None = None) -> Actor:
    return Actor(id=f"key:{name}", name=name, roles=frozenset(roles), person=person)


class FakeKeys:
    _known: ClassVar[dict[str, Actor]] = {
        OPERATOR_KEY: _actor("operator", Role.OPERATOR, Role.APPROVER, person="p-00000001"),
        APPROVER_KEY: _actor("approver", Role.APPROVER, person="p-00000002"),
        ADVISOR_KEY: _actor("advisor", Role.ADVISOR),
        CLIENT_KEY: _actor("client", Role.CLIENT),
        AUDITOR_KEY: _actor("auditor", Role.AUDITOR),
    }

    def identify(self, secret: str | None) -> Actor:
        if secret == REVOKED_KEY:
            raise KeyInvalid("The key lmx_00000004_... was revoked; ask an operator for another.")
        return self._known.get(secret or "", ANONYMOUS)

    def identify_strict(self, secret: str | None) -> Actor:
        if secret is None:
            raise KeyMissing("This needs a key: send Authorization: Bearer.")
        actor = self.identify(secret)
        if actor is ANONYMOUS:
            raise KeyInvalid("The key is unknown; ask an operator for one.")
        return actor


@dataclass
class FakeExecution:
    """Keeps the acts that were allowed. `import_steps` scripts an import."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)
    import_steps: list[Json | Refusal | asyncio.Event] = field(default_factory=list)
    import_waiting: asyncio.Event = field(default_factory=asyncio.Event)
    import_cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def load(
        self, actor: Actor, model_id: str, *, context: int | None, slots: int | None, pinned: bool
    ) -> Json:
        grant(actor, Permission.MODEL_LOAD, subject=model_id)
        return self._act("load", model_id, context, slots, pinned)

    async def unload(self, actor: Actor, model_id: str) -> Json:
        grant(actor, Permission.MODEL_UNLOAD, subject=model_id)
        return self._act("unload", model_id)

    async def verify(self, actor: Actor, model_id: str) -> Json:
        grant(actor, Permission.MODEL_VERIFY, subject=model_id)
        return self._act("verify", model_id)

    async def verify_all(self, actor: Actor) -> AsyncIterator[Json]:
        grant(actor, Permission.MODEL_VERIFY)
        for step in self.import_steps:
            if isinstance(step, dict):
                yield step
        yield {"done": {"models": [], "damaged": []}}

    async def import_model(self, actor: Actor, path: str, name: str | None) -> AsyncIterator[Json]:
        grant(actor, Permission.MODEL_IMPORT, subject=name or path)
        if path == "/pickled":
            raise IntakeRefused("model.bin is pickle, which can run code.", details={"path": "m"})
        try:
            for step in self.import_steps:
                if isinstance(step, Refusal):
                    raise step
                if isinstance(step, asyncio.Event):
                    self.import_waiting.set()
                    await step.wait()
                else:
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.import_cancelled.set()
            raise

    def _act(self, *act: Any) -> Json:
        self.acts.append(act)
        return {"id": act[1]}


def _description(model: CatalogModel) -> Json:
    publisher, _, name = model.id.partition("/")
    return {
        "id": model.id,
        "aliases": [],
        "publisher": publisher,
        "display_name": name,
        "created": model.created,
        "digest": model.digest,
        "size_bytes": model.size_bytes,
        "max_context": model.max_context,
        "architecture": model.architecture,
        "format": "mlx",
        "task": "generate",
        "quantization": "4bit",
        "parameters": 1_500_000_000,
        "capabilities": {"tools": True, "reasoning": False, "vision": False},
        "reasoning_options": [],
        "state": "absent",
        "loaded": False,
        "context": None,
        "slots": None,
    }


@dataclass
class FakeReading:
    """`told` is what a model's description says besides what it is born with, by id."""

    catalog: list[CatalogModel] = field(default_factory=lambda: [ECHO])
    told: dict[str, Json] = field(default_factory=dict)

    async def described_models(self, actor: Actor) -> list[Json]:
        grant(actor, Permission.MODELS_READ)
        return [{**_description(model), **self.told.get(model.id, {})} for model in self.catalog]

    async def models(self, actor: Actor) -> list[Json]:
        grant(actor, Permission.MODELS_READ)
        return [{"id": model.id} for model in self.catalog]

    async def model(self, actor: Actor, model_id: str) -> Json:
        grant(actor, Permission.MODELS_READ, subject=model_id)
        if model_id not in {model.id for model in self.catalog}:
            raise ModelNotFound(f"There is no model {model_id}.")
        return {"id": model_id, "files": [], "shape": {}}

    async def fit(
        self,
        actor: Actor,
        *,
        model: str | None,
        path: str | None,
        context: int | None,
        slots: int | None,
    ) -> Json:
        grant(actor, Permission.MODEL_FIT, subject=model or path or "")
        return {"verdict": "fits", "model": model, "path": path, "context": context}

    async def keys(self, actor: Actor) -> list[Json]:
        grant(actor, Permission.KEYS_READ)
        return [{"id": "00000001"}]

    async def rules(self, actor: Actor) -> Json:
        grant(actor, Permission.RULES_READ)
        return {"digest": "00", "rules": []}

    async def status(self, actor: Actor) -> Json:
        grant(actor, Permission.STATUS_READ)
        return {"version": "0"}


class FakeQuestions:
    """Answers with what it was asked."""

    async def events(self, actor: Actor, asked: Mapping[str, str | None], **how: Any) -> Json:
        grant(actor, Permission.LEDGER_READ)
        given = {name: value for name, value in asked.items() if value is not None}
        return {"events": [{"asked": given, **how}], "size": 1}

    async def counts(self, actor: Actor, asked: Mapping[str, str | None], *, by: str) -> Json:
        grant(actor, Permission.LEDGER_READ)
        return {"by": by, "counts": [], "asked": {n: v for n, v in asked.items() if v is not None}}

    async def event(self, actor: Actor, seq: int) -> Json:
        grant(actor, Permission.LEDGER_READ)
        if seq != 1:
            raise EventNotFound(f"There is no event {seq}.")
        return {"seq": seq}

    async def reindex(self, actor: Actor) -> Json:
        grant(actor, Permission.LEDGER_REINDEX)
        return {"rows": 1, "changed": 0, "event": 2}


class FakeReports:
    """Answers with what it was asked."""

    async def names(self, actor: Actor) -> list[Json]:
        grant(actor, Permission.LEDGER_READ)
        return [{"name": "refusals"}]

    async def report(self, actor: Actor, name: str, **asked: Any) -> Json:
        grant(actor, Permission.LEDGER_READ)
        return {"meta": {"report": name, **asked}, "columns": [], "rows": [], "next": None}


class FakeBackups:
    """A ledger that has the root `aa` at every size."""

    async def record(self, actor: Actor, **said: Any) -> Json:
        grant(actor, Permission.BACKUP_RECORD, subject=said["name"])
        if said["root"] != "aa":
            raise BackupRefused("The root is another one.")
        return {"name": said["name"], "event": 7}


class FakeConfiguring:
    """One setting in force; reading the file anew changes nothing."""

    async def standing(self, actor: Actor) -> Json:
        grant(actor, Permission.CONFIG_READ)
        return {"settings": [{"name": "port", "value": 1234, "origin": "default"}], "problems": []}

    async def reload(self, actor: Actor, request_id: str | None) -> Json:
        grant(actor, Permission.CONFIG_RELOAD)
        return {"changed": [], "waiting": [], "event": None}


class FakeCustody:
    """One person; pruning and recovery are refused as they really are."""

    async def everybody(self, actor: Actor) -> list[Json]:
        grant(actor, Permission.LEDGER_READ)
        return [{"id": "p-00000001", "name": "Ada", "erased": False, "keys": []}]

    async def erase_name(self, actor: Actor, person: str, confirmation: str | None) -> Json:
        grant(actor, Permission.PERSON_ERASE, subject=person)
        if confirmation != f"yes, erase the name of {person}":
            raise ConfirmationRequired(f"Type: yes, erase the name of {person}")
        return {"id": person, "name": None, "erased": True, "remains": []}

    async def rotate(self, actor: Actor, confirmation: str | None) -> Json:
        grant(actor, Permission.LEDGER_ROTATE)
        if confirmation != "yes, rotate the signing key":
            raise ConfirmationRequired("Type: yes, rotate the signing key")
        return {"old": "old key", "new": "new key"}

    async def prune(self, actor: Actor, before_us: int) -> Json:
        grant(actor, Permission.LEDGER_PRUNE)
        raise ApprovalUnavailable("Pruning needs approvals.")

    async def recover(self, actor: Actor) -> Json:
        grant(actor, Permission.LEDGER_RECOVER)
        raise ApprovalUnavailable("A recovery epoch needs approvals.")


@dataclass
class FakeRefusals:
    """Keeps what was recorded as ``(actor id, code, subject, request id)``."""

    recorded: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    broken: bool = False

    def record(self, actor: Actor, refusal: Refusal, subject: str, request_id: str | None) -> None:
        if self.broken:
            raise AuditUnavailable("The ledger cannot be written.")
        self.recorded.append((actor.id, refusal.code, subject, request_id))
