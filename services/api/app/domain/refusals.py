"""Every anticipated no, a class for each code. What they all are is in `app.domain.refusal`."""

from app.domain.refusal import RecordedRefusal as RecordedRefusal  # noqa: PLC0414 - found here too
from app.domain.refusal import Refusal as Refusal  # noqa: PLC0414 - found here too

# --- who asks -------------------------------------------------------------------------------


class KeyMissing(RecordedRefusal):
    code = "key_missing"


class KeyInvalid(RecordedRefusal):
    code = "invalid_api_key"


class Forbidden(RecordedRefusal):
    code = "forbidden"


class ConfirmationRequired(RecordedRefusal):
    code = "confirmation_required"


class HostNotAllowed(Refusal):
    code = "host_not_allowed"


class OriginNotAllowed(Refusal):
    code = "origin_not_allowed"


# --- what is asked --------------------------------------------------------------------------


class InvalidRequest(Refusal):
    code = "invalid_request"


class RequestTooLarge(Refusal):
    code = "request_too_large"


class HeadTooLarge(Refusal):
    """The first line or the headers of a request are larger than any client has a use for."""

    code = "head_too_large"


class ContextLengthExceeded(Refusal):
    code = "context_length_exceeded"


class ModelNotFound(RecordedRefusal):
    code = "model_not_found"


class JobNotFound(RecordedRefusal):
    """A download that this server never began, or has forgotten."""

    code = "job_not_found"


class NotOffered(Refusal):
    """A surface's protocol has it and this server does not do it; `param` is the field."""

    code = "not_implemented"


class KeyNotFound(RecordedRefusal):
    code = "key_not_found"


class EventNotFound(Refusal):
    code = "event_not_found"


class ProofUnavailable(Refusal):
    """A size or event for which no proof exists: past the last checkpoint, or below the first."""

    code = "proof_unavailable"


class CosignatureRefused(RecordedRefusal):
    """A cosigned checkpoint that is not this log's, or that no configured witness signed."""

    code = "cosignature_refused"


class PersonNotFound(RecordedRefusal):
    code = "person_not_found"


# --- intake and verification ----------------------------------------------------------------


class IntakeRefused(RecordedRefusal):
    """Files that may not enter the store; `details["path"]` names the offending one."""

    code = "intake_refused"


class ModelExists(RecordedRefusal):
    code = "model_exists"


class NotLoadable(RecordedRefusal):
    """The catalog does not trust the model's bytes (not verified, not pinned)."""

    code = "model_not_verified"


class DigestMismatch(RecordedRefusal):
    code = "digest_mismatch"


class DiskFull(RecordedRefusal):
    code = "disk_full"


# --- memory and lifecycle -------------------------------------------------------------------


class ModelTooLarge(RecordedRefusal):
    """Infeasible: `details` carries the arithmetic."""

    code = "does_not_fit"


class MemoryReadingStale(RecordedRefusal):
    code = "memory_reading_stale"


class ModelQuarantined(RecordedRefusal):
    """The model's worker crashed repeatedly; an operator has to unload or verify it first."""

    code = "model_quarantined"


class LoadFailed(RecordedRefusal):
    code = "load_failed"


class LoadCancelled(Refusal):
    code = "load_cancelled"


class ModelNotLoaded(RecordedRefusal):
    code = "model_not_loaded"


class ModelBusy(RecordedRefusal):
    code = "model_busy"


# --- generation -----------------------------------------------------------------------------


class QueueFull(Refusal):
    code = "queue_full"


class RequestTimeout(Refusal):
    code = "request_timeout"


class PromptRejected(Refusal):
    """The worker could not render or tokenize the prompt (template error, bad token id)."""

    code = "invalid_prompt"


class ConstraintRejected(Refusal):
    """A schema, pattern or grammar that cannot be enforced exactly; nothing is generated."""

    code = "constraint_not_supported"


class TaskNotSupported(Refusal):
    """The model is not made for what was asked: embeddings of a chat model without them, say."""

    code = "task_not_supported"


class ResponseNotFound(Refusal):
    """A response that is not kept for this key."""

    code = "response_not_found"


class WorkerLost(Refusal):
    """The worker ended while it generated; asking again is safe."""

    code = "worker_lost"


# --- approvals, the store, runs ---------------------------------------------------------------


class ApprovalRequired(RecordedRefusal):
    """Policy makes an ask of this act; `details["ask"]` is its id."""

    code = "approval_required"


class PolicyDenied(RecordedRefusal):
    """No rule allows it, one forbids it, or a rule failed."""

    code = "policy_denied"


class AskNotFound(RecordedRefusal):
    code = "ask_not_found"


class AskNotOpen(RecordedRefusal):
    """The ask is in a state that does not allow this: decided, claimed, ended, or not yet there."""

    code = "ask_not_open"


class AskExpired(RecordedRefusal):
    """A deadline passed: for approving, or for executing."""

    code = "ask_expired"


class PlanStale(RecordedRefusal):
    """What the act would do now is not what was approved."""

    code = "plan_stale"


class PlanMismatch(RecordedRefusal):
    """The hash that was named is not the ask's plan."""

    code = "plan_mismatch"


class SelfApproval(RecordedRefusal):
    """Who asked may not decide: the same person, through whichever key."""

    code = "self_approval"


class ProofRequired(RecordedRefusal):
    """A decision without a fresh proof that the approver's key is at hand."""

    code = "proof_required"


class TooManyAsks(RecordedRefusal):
    """More asks or decisions than one person could read."""

    code = "too_many_asks"


class QuorumImpossible(RecordedRefusal):
    """A rule of approval that nobody could ever meet."""

    code = "quorum_impossible"


class RevisionRequired(RecordedRefusal):
    """The act cannot be done as asked, now; the ask is kept and can be asked again."""

    code = "revision_required"


class RunNotFound(RecordedRefusal):
    code = "run_not_found"


class EvidenceDamaged(Refusal):
    """Bytes that an event names by their SHA-256 are missing, or are not those bytes."""

    code = "evidence_damaged"


class TrashNotFound(RecordedRefusal):
    code = "trash_not_found"


class RestoreRefused(RecordedRefusal):
    """What is in the trash cannot be put back as it is."""

    code = "restore_refused"


class RepairRefused(RecordedRefusal):
    """Nobody knows where the right bytes of a damaged model could be had."""

    code = "repair_refused"


class HubUnreachable(RecordedRefusal):
    """The hub did not answer, or not to the end; what was fetched is kept for the next try."""

    code = "hub_unreachable"


class HubRefused(RecordedRefusal):
    """The hub has no such model, wants a token, or said what cannot be believed."""

    code = "hub_refused"


class SignatureInvalid(RecordedRefusal):
    """A model's signature does not hold, is by nobody who is trusted, or is missing."""

    code = "signature_invalid"


# --- guardrails -----------------------------------------------------------------------------


class GuardrailsInvalid(Refusal):
    """A guardrails document cannot be used; `details["errors"]` has all of it, line by line."""

    code = "guardrails_invalid"


class IntentUnclear(Refusal):
    """An intent leaves something open that nobody may invent; `details` holds the choices."""

    code = "intent_unclear"


class GuardrailViolated(RecordedRefusal):
    """An intent wants what the guardrails do not allow; `details["violations"]` has all of it."""

    code = "guardrail_violated"


class GuardrailsConflict(RecordedRefusal):
    """The same id and version stand for something else already."""

    code = "guardrails_conflict"


class GuardrailsNotFound(Refusal):
    """No such task, version or decision."""

    code = "guardrails_not_found"


# --- advice ---------------------------------------------------------------------------------


class ProposalInvalid(RecordedRefusal):
    """What was proposed cannot be read, or says what the snapshot does not; nothing was kept."""

    code = "proposal_invalid"


class TooManyProposals(RecordedRefusal):
    code = "too_many_proposals"


class ProposalNotFound(Refusal):
    code = "proposal_not_found"


class ProposalEnded(RecordedRefusal):
    """It was accepted or dismissed already, or its time is over."""

    code = "proposal_ended"


class AdvisorNotFound(Refusal):
    code = "advisor_not_found"


class AdvisorBusy(Refusal):
    code = "advisor_busy"


class AdvisorContained(RecordedRefusal):
    """An advisor tried what advice may not do, and was kept from it."""

    code = "advisor_contained"


# --- holding load, keeping the state --------------------------------------------------------


class RateLimited(Refusal):
    """A key asks more often, or more at once, than the settings allow it."""

    code = "too_many_requests"


class ConfigInvalid(RecordedRefusal):
    """The configuration cannot be used as it is written; what was in force stays."""

    code = "config_invalid"


class BackupRefused(RecordedRefusal):
    """What is said of a backup is not what this ledger says; nothing was recorded of it."""

    code = "backup_refused"


# --- the server itself ----------------------------------------------------------------------


class AuditUnavailable(Refusal):
    """The ledger cannot be written, so nothing that must be recorded may happen."""

    code = "audit_unavailable"


class ApprovalUnavailable(RecordedRefusal):
    """An act that no approval can allow as it was asked for."""

    code = "approval_unavailable"


class ShuttingDown(Refusal):
    code = "shutting_down"


class StartRefused(Refusal):
    """The server may not start: port taken, state directory unusable, not loopback."""

    code = "start_refused"
