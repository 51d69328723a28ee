"""Who may use each route that needs a key, and the refusals that are most likely there."""

from collections.abc import Mapping

from app.authority.permissions import ROLES, Permission

P = Permission
WHO: Mapping[str, Permission] = {
    "/api/v1/models/load": P.MODEL_LOAD,
    "/api/v1/models/unload": P.MODEL_UNLOAD,
    "/api/v1/models/download": P.MODEL_PULL,
    "/authority/status": P.STATUS_READ,
    "/authority/rules": P.RULES_READ,
    "/authority/models/import": P.MODEL_IMPORT,
    "/authority/models/verify": P.MODEL_VERIFY,
    "/authority/models/pull": P.MODEL_PULL,
    "/authority/models/{model_id}/repair": P.MODEL_REPAIR,
    "/authority/models/{model_id}/confirm": P.MODEL_CHANGE,
    "/authority/models/adopt": P.MODEL_ADOPT,
    "GET /authority/models/adopt": P.STORE_READ,
    "/authority/models/{model_id}/aliases": P.MODEL_CHANGE,
    "/authority/models/{model_id}/terms": P.MODEL_CHANGE,
    "/authority/models/{model_id}/pin": P.MODEL_CHANGE,
    "/authority/models/{model_id}/note": P.MODEL_CHANGE,
    "/authority/models/fit": P.MODEL_FIT,
    "/authority/models/{model_id}/load": P.MODEL_LOAD,
    "/authority/models/{model_id}/unload": P.MODEL_UNLOAD,
    "/authority/models/{model_id}/verify": P.MODEL_VERIFY,
    "/authority/models": P.MODELS_READ,
    "DELETE /authority/models/{model_id}": P.MODEL_DELETE,
    "/authority/keys": P.KEYS_MANAGE,
    "GET /authority/keys": P.KEYS_READ,
    "/authority/people": P.PERSON_NAME,
    "GET /authority/people": P.LEDGER_READ,
    "/authority/people/{person}/erase": P.PERSON_ERASE,
    "/authority/approvals": P.ASK_READ,
    # Asking needs the permission of the act: of each that can be asked for, an operator's.
    "POST /authority/approvals": P.MODEL_DELETE,
    "/authority/approvals/{ask_id}": P.ASK_READ,
    "/authority/approvals/{ask_id}/approve": P.ASK_DECIDE,
    "/authority/approvals/{ask_id}/reject": P.ASK_DECIDE,
    "/authority/approvals/{ask_id}/veto": P.ASK_DECIDE,
    "/authority/approvals/{ask_id}/withdraw": P.ASK_WITHDRAW,
    "/authority/approvals/{ask_id}/execute": P.ASK_EXECUTE,
    "POST /authority/approvals/profile": P.PROFILE_MANAGE,
    "/authority/guardrails": P.GUARDRAILS_READ,
    "POST /authority/guardrails/versions": P.GUARDRAILS_CHANGE,
    "POST /authority/guardrails/tasks": P.GUARDRAILS_CHANGE,
    "/authority/guardrails/rebind": P.GUARDRAILS_CHANGE,
    "/authority/proposals": P.ADVICE_READ,
    "POST /authority/proposals": P.ADVICE_DECIDE,
    "/authority/advisors": P.ADVICE_READ,
    "POST /authority/advisors": P.ADVICE_RUN,
    "/authority/advice": P.ADVICE_READ,
    "/advisory/snapshot": P.SNAPSHOT_READ,
    "/advisory/proposals": P.PROPOSE,
    "/authority/ledger": P.LEDGER_READ,
    "/authority/ledger/reindex": P.LEDGER_REINDEX,
    "/authority/ledger/rotate": P.LEDGER_ROTATE,
    "/authority/ledger/prune": P.LEDGER_PRUNE,
    "/authority/ledger/recover": P.LEDGER_RECOVER,
    "/authority/ledger/cosignatures": P.LEDGER_COSIGN,
    "/authority/ledger/exports": P.LEDGER_EXPORT,
    "/authority/runs": P.RUNS_READ,
    "/authority/store": P.STORE_READ,
    "/authority/store/restore": P.STORE_RESTORE,
    "/authority/store/purge": P.STORE_PURGE,
    "/authority/backups": P.BACKUP_RECORD,
    "/authority/config": P.CONFIG_READ,
    "/authority/config/reload": P.CONFIG_RELOAD,
}
"""A route needs the permission of the longest start that fits, with its method before without."""


ALWAYS = ("key_missing", "invalid_api_key", "forbidden", "invalid_request")
INFERENCE = (
    "invalid_request",
    "model_not_found",
    "context_length_exceeded",
    "policy_denied",
    "request_timeout",
    "queue_full",
    "too_many_requests",
    "does_not_fit",
    "worker_lost",
)
_ASKED = ("approval_required", "too_many_asks", "audit_unavailable")
_MODEL = ("model_not_found", "audit_unavailable")
REFUSED: Mapping[Permission, tuple[str, ...]] = {
    P.MODEL_LOAD: (*_MODEL, "model_not_verified", "policy_denied", "does_not_fit", "load_failed"),
    P.MODEL_UNLOAD: (*_MODEL, "model_not_loaded", "model_busy"),
    P.MODEL_IMPORT: ("intake_refused", "model_exists", "signature_invalid", "disk_full"),
    P.MODEL_VERIFY: _MODEL,
    P.MODEL_FIT: ("model_not_found", "memory_reading_stale"),
    P.MODEL_PULL: ("policy_denied", "plan_stale", "hub_refused", "hub_unreachable", "disk_full"),
    P.MODEL_CHANGE: (*_MODEL, "confirmation_required", "model_exists"),
    P.MODEL_ADOPT: ("intake_refused", "model_exists", "audit_unavailable"),
    P.MODEL_REPAIR: (*_MODEL, "plan_stale", "repair_refused", "disk_full"),
    P.MODEL_DELETE: ("model_not_found", *_ASKED),
    P.STORE_PURGE: _ASKED,
    P.STORE_RESTORE: ("trash_not_found", "restore_refused", "audit_unavailable"),
    P.KEYS_MANAGE: ("key_not_found", *_ASKED),
    P.PERSON_NAME: ("confirmation_required", "audit_unavailable"),
    P.PERSON_ERASE: ("person_not_found", "confirmation_required", "audit_unavailable"),
    P.PROFILE_MANAGE: ("confirmation_required", "quorum_impossible", *_ASKED),
    P.ASK_READ: ("ask_not_found",),
    P.ASK_DECIDE: (
        "ask_not_found",
        "self_approval",
        "plan_mismatch",
        "plan_stale",
        "confirmation_required",
        "proof_required",
        "ask_expired",
        "ask_not_open",
    ),
    P.ASK_WITHDRAW: ("ask_not_found", "ask_not_open", "audit_unavailable"),
    P.ASK_EXECUTE: ("ask_not_found", "ask_not_open", "ask_expired", "plan_stale"),
    P.RUNS_READ: ("run_not_found",),
    P.GUARDRAILS_READ: ("guardrails_not_found", "guardrails_invalid", "intent_unclear"),
    P.GUARDRAILS_CHANGE: ("guardrails_invalid", "guardrails_conflict", *_ASKED),
    P.PROPOSE: ("proposal_invalid", "too_many_proposals"),
    P.ADVICE_READ: ("proposal_not_found", "advisor_not_found"),
    P.ADVICE_DECIDE: ("proposal_not_found", "proposal_ended", *_ASKED),
    P.ADVICE_RUN: ("advisor_not_found", "advisor_busy"),
    P.LEDGER_READ: ("event_not_found", "proof_unavailable", "person_not_found"),
    P.LEDGER_EXPORT: ("audit_unavailable",),
    P.LEDGER_COSIGN: ("cosignature_refused", "audit_unavailable"),
    P.LEDGER_ROTATE: ("confirmation_required", "audit_unavailable"),
    P.LEDGER_PRUNE: ("approval_unavailable",),
    P.LEDGER_RECOVER: ("approval_unavailable",),
    P.BACKUP_RECORD: ("backup_refused", "audit_unavailable"),
    P.CONFIG_RELOAD: ("config_invalid", "audit_unavailable"),
}
"""The likely ones. What else a route may answer is in the table of the statuses of its surface."""


def permission_of(method: str, path: str) -> Permission:
    """What a key needs for a route; KeyError for a route of which this table knows nothing."""
    fitting = [
        (len(start.rpartition(" ")[2]), bool(start.rpartition(" ")[0]), start)
        for start in WHO
        if f"{path}/".startswith(f"{start.rpartition(' ')[2]}/")
        and start.rpartition(" ")[0] in ("", method)
    ]
    if not fitting:
        raise KeyError(f"tools/http_access.py: name who may use {method} {path} in WHO")
    return WHO[max(fitting)[2]]


def roles_of(method: str, path: str) -> frozenset[str]:
    return frozenset(str(role) for role in ROLES[permission_of(method, path)])
