"""The only place that says who may do what, and the only place that can make a `Grant`.

Acts take a `Grant` as a parameter and call `require` on it, so an act that nobody was granted
cannot be written without a type error, and one that is forged at run time is refused.
"""

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from enum import StrEnum
from typing import Final, NoReturn, final

from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import Forbidden, KeyMissing


class Permission(StrEnum):
    """Everything that may be granted."""

    INFER = "infer"
    MODELS_READ = "models.read"
    MODEL_LOAD = "model.load"
    MODEL_LOAD_JIT = "model.load_jit"
    MODEL_UNLOAD = "model.unload"
    MODEL_IMPORT = "model.import"
    MODEL_VERIFY = "model.verify"
    MODEL_FIT = "model.fit"
    KEYS_READ = "keys.read"
    KEYS_MANAGE = "keys.manage"
    LEDGER_READ = "ledger.read"
    LEDGER_EXPORT = "ledger.export"
    LEDGER_COSIGN = "ledger.cosign"
    LEDGER_REINDEX = "ledger.reindex"
    LEDGER_ROTATE = "ledger.rotate"
    LEDGER_PRUNE = "ledger.prune"
    LEDGER_RECOVER = "ledger.recover"
    PERSON_ERASE = "person.erase"
    PERSON_NAME = "person.name"
    MODEL_DELETE = "model.delete"
    MODEL_PULL = "model.pull"
    MODEL_CHANGE = "model.change"
    MODEL_ADOPT = "model.adopt"
    MODEL_REPAIR = "model.repair"
    STORE_READ = "store.read"
    STORE_PURGE = "store.purge"
    STORE_RESTORE = "store.restore"
    STATE_REMOVE = "state.remove"
    PROFILE_MANAGE = "profile.manage"
    RULE_OVERRIDE = "rule.override"
    ASK_READ = "ask.read"
    ASK_DECIDE = "ask.decide"
    ASK_WITHDRAW = "ask.withdraw"
    ASK_EXECUTE = "ask.execute"
    RUNS_READ = "runs.read"
    GUARDRAILS_READ = "guardrails.read"
    GUARDRAILS_CHANGE = "guardrails.change"
    GUARDRAILS_PROPOSE = "guardrails.propose"
    SNAPSHOT_READ = "snapshot.read"
    PROPOSE = "advice.propose"
    ADVICE_READ = "advice.read"
    ADVICE_DECIDE = "advice.decide"
    ADVICE_RUN = "advice.run"
    BACKUP_RECORD = "backup.record"
    CONFIG_READ = "config.read"
    CONFIG_RELOAD = "config.reload"
    STATUS_READ = "status.read"
    RULES_READ = "rules.read"


_C, _O, _P, _A = Role.CLIENT, Role.OPERATOR, Role.APPROVER, Role.AUDITOR
_ADVISOR: Final = Role.ADVISOR

ROLES: Final[Mapping[Permission, frozenset[Role]]] = {
    Permission.INFER: frozenset({_C, _O}),
    Permission.MODELS_READ: frozenset({_C, _O, _P, _A}),
    Permission.MODEL_LOAD: frozenset({_O}),
    Permission.MODEL_LOAD_JIT: frozenset({_C, _O}),
    Permission.MODEL_UNLOAD: frozenset({_O}),
    Permission.MODEL_IMPORT: frozenset({_O}),
    Permission.MODEL_VERIFY: frozenset({_O}),
    Permission.MODEL_FIT: frozenset({_O, _A}),
    Permission.KEYS_READ: frozenset({_O, _A}),
    Permission.KEYS_MANAGE: frozenset({_O}),
    Permission.LEDGER_READ: frozenset({_O, _A}),
    Permission.LEDGER_EXPORT: frozenset({_O, _A}),
    Permission.LEDGER_COSIGN: frozenset({_O}),
    Permission.LEDGER_REINDEX: frozenset({_O}),
    Permission.LEDGER_ROTATE: frozenset({_O}),
    Permission.LEDGER_PRUNE: frozenset({_O}),
    Permission.LEDGER_RECOVER: frozenset({_O}),
    Permission.PERSON_ERASE: frozenset({_O}),
    Permission.PERSON_NAME: frozenset({_O}),
    Permission.MODEL_DELETE: frozenset({_O}),
    Permission.MODEL_PULL: frozenset({_O}),
    Permission.MODEL_CHANGE: frozenset({_O}),
    Permission.MODEL_ADOPT: frozenset({_O}),
    Permission.MODEL_REPAIR: frozenset({_O}),
    Permission.STORE_READ: frozenset({_O, _P, _A}),
    Permission.STORE_PURGE: frozenset({_O}),
    Permission.STORE_RESTORE: frozenset({_O}),
    Permission.STATE_REMOVE: frozenset({_O}),
    Permission.PROFILE_MANAGE: frozenset({_O}),
    Permission.RULE_OVERRIDE: frozenset({_O}),
    Permission.ASK_READ: frozenset({_O, _P, _A}),
    Permission.ASK_DECIDE: frozenset({_P}),
    Permission.ASK_WITHDRAW: frozenset({_O}),
    Permission.ASK_EXECUTE: frozenset({_O, _P}),
    Permission.RUNS_READ: frozenset({_O, _P, _A}),
    Permission.GUARDRAILS_READ: frozenset({_O, _P, _A}),
    Permission.GUARDRAILS_CHANGE: frozenset({_O}),
    Permission.GUARDRAILS_PROPOSE: frozenset({_O}),
    Permission.SNAPSHOT_READ: frozenset({_O, _A, _ADVISOR}),
    Permission.PROPOSE: frozenset({_ADVISOR}),
    Permission.ADVICE_READ: frozenset({_O, _P, _A}),
    Permission.ADVICE_DECIDE: frozenset({_O}),
    Permission.ADVICE_RUN: frozenset({_O}),
    Permission.BACKUP_RECORD: frozenset({_O}),
    Permission.CONFIG_READ: frozenset({_O, _A}),
    Permission.CONFIG_RELOAD: frozenset({_O}),
    Permission.STATUS_READ: frozenset({_O, _P, _A}),
    Permission.RULES_READ: frozenset({_O, _P, _A}),
}
"""A permission that is not here, or has no role, is granted to nobody."""

ACTS: Final[Mapping[Permission, str]] = {
    Permission.INFER: "asking a model",
    Permission.MODELS_READ: "listing models",
    Permission.MODEL_LOAD: "loading a model",
    Permission.MODEL_LOAD_JIT: "loading a model on demand",
    Permission.MODEL_UNLOAD: "unloading a model",
    Permission.MODEL_IMPORT: "importing a model",
    Permission.MODEL_VERIFY: "verifying a model",
    Permission.MODEL_FIT: "computing whether a model fits",
    Permission.KEYS_READ: "listing keys",
    Permission.KEYS_MANAGE: "creating or revoking a key",
    Permission.LEDGER_READ: "reading the ledger",
    Permission.LEDGER_EXPORT: "exporting the ledger",
    Permission.LEDGER_COSIGN: "bringing in a witness's cosignature",
    Permission.LEDGER_REINDEX: "rebuilding the ledger's index",
    Permission.LEDGER_ROTATE: "changing the ledger's signing key",
    Permission.LEDGER_PRUNE: "pruning the ledger",
    Permission.LEDGER_RECOVER: "beginning a recovery epoch",
    Permission.PERSON_ERASE: "erasing a person's name",
    Permission.PERSON_NAME: "naming a person",
    Permission.MODEL_DELETE: "deleting a model",
    Permission.MODEL_PULL: "pulling a model",
    Permission.MODEL_CHANGE: "changing a model's aliases, pin, note or confirmation",
    Permission.MODEL_ADOPT: "adopting models of another program",
    Permission.MODEL_REPAIR: "repairing a model",
    Permission.STORE_READ: "looking at the store",
    Permission.STORE_PURGE: "purging the store",
    Permission.STORE_RESTORE: "restoring from the trash",
    Permission.STATE_REMOVE: "removing state of the server",
    Permission.PROFILE_MANAGE: "changing how approvals are given",
    Permission.RULE_OVERRIDE: "overriding a strict rule",
    Permission.ASK_READ: "reading what waits for approval",
    Permission.ASK_DECIDE: "deciding on what waits for approval",
    Permission.ASK_WITHDRAW: "withdrawing what waits for approval",
    Permission.ASK_EXECUTE: "executing what was approved",
    Permission.RUNS_READ: "reading runs",
    Permission.GUARDRAILS_READ: "reading the guardrails and what they decided",
    Permission.GUARDRAILS_CHANGE: "changing the guardrails",
    Permission.GUARDRAILS_PROPOSE: "proposing a guardrail",
    Permission.SNAPSHOT_READ: "reading the snapshot that advice is made from",
    Permission.PROPOSE: "proposing something",
    Permission.ADVICE_READ: "reading advice",
    Permission.ADVICE_DECIDE: "accepting or dismissing advice",
    Permission.ADVICE_RUN: "running an advisor",
    Permission.BACKUP_RECORD: "putting a backup on record",
    Permission.CONFIG_READ: "reading the configuration",
    Permission.CONFIG_RELOAD: "reloading the configuration",
    Permission.STATUS_READ: "reading the status",
    Permission.RULES_READ: "reading the rules",
}

OPEN_WHILE_INFERENCE_IS: Final = frozenset(
    {Permission.INFER, Permission.MODELS_READ, Permission.MODEL_LOAD_JIT}
)
"""What anonymous callers may do, and only while inference needs no key."""

NEVER_FOR_SYSTEM: Final = frozenset(
    {
        Permission.KEYS_MANAGE,
        Permission.LEDGER_ROTATE,
        Permission.LEDGER_PRUNE,
        Permission.LEDGER_RECOVER,
        Permission.PERSON_ERASE,
        Permission.PERSON_NAME,
        Permission.MODEL_DELETE,
        Permission.MODEL_CHANGE,
        Permission.STORE_PURGE,
        Permission.STATE_REMOVE,
        Permission.PROFILE_MANAGE,
        Permission.RULE_OVERRIDE,
        Permission.GUARDRAILS_PROPOSE,
        Permission.PROPOSE,
        Permission.ADVICE_DECIDE,
        Permission.BACKUP_RECORD,
        Permission.CONFIG_RELOAD,
        Permission.ASK_DECIDE,
        Permission.ASK_WITHDRAW,
        Permission.ASK_EXECUTE,
    }
)
"""Acts of a person: the server never does them by itself."""


@dataclass(frozen=True, slots=True)
class Access:
    """Whether inference on loopback is open, as configured."""

    inference_needs_key: bool = False


OPEN: Final = Access()


@final
class _Seal:
    """Marks grants that were made here."""

    __slots__ = ()


_SEAL: Final = _Seal()


@final
@dataclass(frozen=True, slots=True)
class Grant:
    """Proof that `actor` may do `permission` to `subject`. Made by `grant` only."""

    actor: Actor
    permission: Permission
    subject: str
    seal: InitVar[object]
    _seal: object = field(init=False, repr=False, compare=False)

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a Grant is made by app.authority.permissions.grant() only")
        object.__setattr__(self, "_seal", seal)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Grant cannot be copied or sent; ask for one where it is needed")


def grant(
    actor: Actor, permission: Permission, *, subject: str = "", access: Access = OPEN
) -> Grant:
    """Return the proof that `actor` may do this, or raise KeyMissing or Forbidden."""
    check(actor, permission, access=access)
    return Grant(actor, permission, subject, _SEAL)


def check(actor: Actor, permission: Permission, *, access: Access = OPEN) -> None:
    """Raise the refusal that says why `actor` may not; return when it may."""
    if actor.id == ANONYMOUS.id:
        if permission in OPEN_WHILE_INFERENCE_IS and not access.inference_needs_key:
            return
        raise KeyMissing(
            f"A key is needed for {ACTS[permission]}. Send it as 'Authorization: Bearer lmx_...'."
        )
    allowed = ROLES.get(permission, frozenset())
    person_only = actor.id == SYSTEM.id and permission in NEVER_FOR_SYSTEM
    if person_only or not allowed & actor.roles:
        raise Forbidden(_why_not(actor, permission), details={"permission": str(permission)})


def require(held: Grant, permission: Permission) -> None:
    """Called first by every act: raise TypeError unless `held` is a grant for `permission`."""
    if type(held) is not Grant or getattr(held, "_seal", None) is not _SEAL:
        raise TypeError(f"{ACTS[permission]} needs a Grant, not {type(held).__name__}")
    if held.permission is not permission:
        raise TypeError(f"{ACTS[permission]} needs a Grant for it, not for {held.permission}")


def _why_not(actor: Actor, permission: Permission) -> str:
    has = _names(actor.roles) or "no role"
    needs = _names(ROLES.get(permission, frozenset())) or "a role that does not exist"
    return (
        f"{ACTS[permission].capitalize()} needs a key with the role {needs}; "
        f"this one ({actor.name}) has {has}. Use another key or ask an operator for one."
    )


def _names(roles: frozenset[Role]) -> str:
    return " or ".join(sorted(roles))
