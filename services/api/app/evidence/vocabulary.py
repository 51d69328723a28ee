"""The only place that says which kinds of events there are and what each one means.

Append only: a kind is never renamed, reused or removed, or old records would change their meaning.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What happened."""

    GENESIS = "genesis"
    BOOT = "boot"
    SHUTDOWN = "shutdown"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    MODEL_IMPORTED = "model_imported"
    MODEL_VERIFIED = "model_verified"
    MODEL_QUARANTINED = "model_quarantined"
    LOAD_INTENT = "load_intent"
    LOAD_OUTCOME = "load_outcome"
    UNLOAD_INTENT = "unload_intent"
    UNLOAD_OUTCOME = "unload_outcome"
    WORKER_EXITED = "worker_exited"
    MODEL_RELEASED = "model_released"
    MODEL_PINNED_RESIDENT = "model_pinned_resident"
    REFUSAL = "refusal"
    USAGE_DIGEST = "usage_digest"
    USAGE_PRUNED = "usage_pruned"
    SIGNING_KEY_CREATED = "signing_key_created"
    SIGNING_KEY_ROTATED = "signing_key_rotated"
    CHECKPOINT_COSIGNED = "checkpoint_cosigned"
    SINK_CHANGED = "sink_changed"
    DISK_WARNING = "disk_warning"
    RESERVE_USED = "reserve_used"
    LEDGER_READ = "ledger_read"
    LEDGER_EXPORTED = "ledger_exported"
    LEDGER_REINDEXED = "ledger_reindexed"
    PERSON_NAMED = "person_named"
    PERSON_NAME_ERASED = "person_name_erased"
    LEDGER_PRUNED = "ledger_pruned"
    RECOVERY_EPOCH = "recovery_epoch"
    ASK_MADE = "ask_made"
    ASK_DECIDED = "ask_decided"
    ASK_CLAIMED = "ask_claimed"
    ASK_ENDED = "ask_ended"
    ACT_INTENT = "act_intent"
    ACT_OUTCOME = "act_outcome"
    PULL_INTENT = "pull_intent"
    PULL_OUTCOME = "pull_outcome"
    MODEL_CHANGED = "model_changed"
    MODEL_RESTORED = "model_restored"
    PROFILE_CHANGED = "profile_changed"
    RULE_OVERRIDDEN = "rule_overridden"
    GUARDRAILS_LOADED = "guardrails_loaded"
    GUARDRAILS_ACTIVATED = "guardrails_activated"
    GUARDRAILS_BOUND = "guardrails_bound"
    GUARDRAILS_ALERT = "guardrails_alert"
    GUARDRAILS_DIGEST = "guardrails_digest"
    ADVICE_PROPOSED = "advice_proposed"
    ADVICE_DECIDED = "advice_decided"
    ADVICE_OUTCOME = "advice_outcome"
    BACKUP_MADE = "backup_made"
    STATE_RESTORED = "state_restored"
    SCHEMA_UPGRADED = "schema_upgraded"
    KEY_RECOVERED = "key_recovered"
    CONFIG_RELOADED = "config_reloaded"


OUTCOME_OF: Final[Mapping[Kind, Kind]] = {
    Kind.LOAD_INTENT: Kind.LOAD_OUTCOME,
    Kind.UNLOAD_INTENT: Kind.UNLOAD_OUTCOME,
    Kind.ACT_INTENT: Kind.ACT_OUTCOME,
    Kind.PULL_INTENT: Kind.PULL_OUTCOME,
}
"""Every intent and the kind of event that closes it."""

OUTCOMES: Final = frozenset(OUTCOME_OF.values())

ACTION: Final[Mapping[Kind, str]] = {
    Kind.GENESIS: "start",
    Kind.BOOT: "start",
    Kind.SHUTDOWN: "stop",
    Kind.KEY_CREATED: "key.create",
    Kind.KEY_REVOKED: "key.revoke",
    Kind.MODEL_IMPORTED: "model.import",
    Kind.MODEL_VERIFIED: "model.verify",
    Kind.MODEL_QUARANTINED: "model.quarantine",
    Kind.LOAD_INTENT: "model.load",
    Kind.LOAD_OUTCOME: "model.load",
    Kind.UNLOAD_INTENT: "model.unload",
    Kind.UNLOAD_OUTCOME: "model.unload",
    Kind.WORKER_EXITED: "worker.exit",
    Kind.MODEL_RELEASED: "model.release",
    Kind.MODEL_PINNED_RESIDENT: "model.load",
    Kind.REFUSAL: "refuse",  # or the permission that was asked for, where the event names it
    Kind.USAGE_DIGEST: "usage.digest",
    Kind.USAGE_PRUNED: "usage.prune",
    Kind.SIGNING_KEY_CREATED: "ledger.rotate",
    Kind.SIGNING_KEY_ROTATED: "ledger.rotate",
    Kind.CHECKPOINT_COSIGNED: "ledger.cosign",
    Kind.SINK_CHANGED: "ledger.sink",
    Kind.DISK_WARNING: "ledger.disk",
    Kind.RESERVE_USED: "ledger.disk",
    Kind.LEDGER_READ: "ledger.read",
    Kind.LEDGER_EXPORTED: "ledger.export",
    Kind.LEDGER_REINDEXED: "ledger.reindex",
    Kind.PERSON_NAMED: "person.name",
    Kind.PERSON_NAME_ERASED: "person.erase",
    Kind.LEDGER_PRUNED: "ledger.prune",
    Kind.RECOVERY_EPOCH: "ledger.recover",
    Kind.ASK_MADE: "approval.ask",
    Kind.ASK_DECIDED: "approval.decide",
    Kind.ASK_CLAIMED: "approval.claim",
    Kind.ASK_ENDED: "approval.end",
    Kind.ACT_INTENT: "act",
    Kind.ACT_OUTCOME: "act",
    Kind.PULL_INTENT: "model.pull",
    Kind.PULL_OUTCOME: "model.pull",
    Kind.MODEL_CHANGED: "model.change",
    Kind.MODEL_RESTORED: "store.restore",
    Kind.PROFILE_CHANGED: "approval.profile",
    Kind.RULE_OVERRIDDEN: "rule.override",
    Kind.GUARDRAILS_LOADED: "guardrails.load",
    Kind.GUARDRAILS_ACTIVATED: "guardrails.activate",
    Kind.GUARDRAILS_BOUND: "guardrails.bind",
    Kind.GUARDRAILS_ALERT: "guardrails.alert",
    Kind.GUARDRAILS_DIGEST: "guardrails.digest",
    Kind.ADVICE_PROPOSED: "advice.propose",
    Kind.ADVICE_DECIDED: "advice.decide",
    Kind.ADVICE_OUTCOME: "advice.decide",
    Kind.BACKUP_MADE: "state.backup",
    Kind.STATE_RESTORED: "state.restore",
    Kind.SCHEMA_UPGRADED: "state.upgrade",
    Kind.KEY_RECOVERED: "key.recover",
    Kind.CONFIG_RELOADED: "config.reload",
}
"""What an event is filed under: an intent and its outcome share one action.

Events that name an act (asks, approved acts, refusals) are filed under that act instead.
"""

ABOUT_A_MODEL: Final = frozenset(
    {
        Kind.MODEL_IMPORTED,
        Kind.MODEL_VERIFIED,
        Kind.MODEL_QUARANTINED,
        Kind.LOAD_INTENT,
        Kind.LOAD_OUTCOME,
        Kind.UNLOAD_INTENT,
        Kind.UNLOAD_OUTCOME,
        Kind.WORKER_EXITED,
        Kind.MODEL_RELEASED,
        Kind.MODEL_PINNED_RESIDENT,
        Kind.PULL_INTENT,
        Kind.PULL_OUTCOME,
        Kind.MODEL_CHANGED,
        Kind.MODEL_RESTORED,
    }
)
"""Kinds whose subject is a model's id."""
