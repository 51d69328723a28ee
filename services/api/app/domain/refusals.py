"""Every anticipated no: a stable code and a sentence that says what to do.

Refusals do not know HTTP; `app.routers.errors` maps each class to a status. Raising one is normal;
anything else that is raised is a bug.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class Refusal(Exception):
    """Base of all refusals. The class is the code; the instance says what to do.

    `retry_after_s` is set where waiting may help; without it, retrying will not cure the refusal.
    `param` names the offending request field. `recorded` says whether the ledger keeps the
    refusal: acts that were refused are, malformed requests are not.
    """

    code: ClassVar[str] = "refused"
    recorded: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s
        self.details = dict(details or {})


class RecordedRefusal(Refusal):
    """A refused act: the ledger keeps it."""

    recorded: ClassVar[bool] = True


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


class ContextLengthExceeded(Refusal):
    code = "context_length_exceeded"


class ModelNotFound(RecordedRefusal):
    code = "model_not_found"


class KeyNotFound(Refusal):
    code = "key_not_found"


class EventNotFound(Refusal):
    code = "event_not_found"


class ProofUnavailable(Refusal):
    """A size or event for which no proof exists: past the last checkpoint, or below the first."""

    code = "proof_unavailable"


class CosignatureRefused(RecordedRefusal):
    """A cosigned checkpoint that is not this log's, or that no configured witness signed."""

    code = "cosignature_refused"


class PersonNotFound(Refusal):
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


class WorkerLost(Refusal):
    """The worker ended while it generated; asking again is safe."""

    code = "worker_lost"


# --- the server itself ----------------------------------------------------------------------


class AuditUnavailable(Refusal):
    """The ledger cannot be written, so nothing that must be recorded may happen."""

    code = "audit_unavailable"


class ApprovalUnavailable(RecordedRefusal):
    """An act that needs an approval, in a release that cannot take one yet: refused."""

    code = "approval_unavailable"


class ShuttingDown(Refusal):
    code = "shutting_down"


class StartRefused(Refusal):
    """The server may not start: port taken, state directory unusable, not loopback."""

    code = "start_refused"
