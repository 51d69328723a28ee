"""The only place that says how a command ends: exit codes, and which code a refusal gets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, Final


class ExitCode(IntEnum):
    """What a script may rely on."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    WAITING = 4


MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed (a verification that does not hold too)",
    ExitCode.USAGE: "the command line or a value in it is wrong",
    ExitCode.REFUSED: "refused: by the authority, or here because something would not be safe",
    ExitCode.WAITING: "waiting for an approval",
}


class CommandError(Exception):
    """An anticipated end of a command: a sentence for stderr and an exit code.

    `problem`: what the server said beside the sentence, where it was the server that refused.
    `hints`: what to look at, a line each, where the sentence alone would leave one at a loss.
    """

    def __init__(
        self,
        sentence: str,
        *,
        exit_code: ExitCode = ExitCode.FAILED,
        problem: Mapping[str, Any] | None = None,
        hints: Sequence[str] = (),
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.exit_code = exit_code
        self.problem: Mapping[str, Any] = problem or {}
        self.hints = tuple(hints)


_FAILED, _USAGE, _REFUSED = ExitCode.FAILED, ExitCode.USAGE, ExitCode.REFUSED

BY_CODE: Final[Mapping[str, ExitCode]] = {
    "refused": _REFUSED,
    "key_missing": _REFUSED,
    "invalid_api_key": _REFUSED,
    "forbidden": _REFUSED,
    "confirmation_required": _REFUSED,
    "approval_required": ExitCode.WAITING,
    "host_not_allowed": _REFUSED,
    "origin_not_allowed": _REFUSED,
    "invalid_request": _USAGE,
    "request_too_large": _USAGE,
    "head_too_large": _USAGE,
    "context_length_exceeded": _USAGE,
    "model_not_found": _FAILED,
    "job_not_found": _FAILED,
    "not_implemented": _USAGE,
    "key_not_found": _FAILED,
    "event_not_found": _FAILED,
    "person_not_found": _FAILED,
    "proof_unavailable": _FAILED,
    "cosignature_refused": _REFUSED,
    "approval_unavailable": _REFUSED,
    "intake_refused": _REFUSED,
    "model_exists": _REFUSED,
    "model_not_verified": _REFUSED,
    "digest_mismatch": _FAILED,
    "disk_full": _FAILED,
    "does_not_fit": _REFUSED,
    "memory_reading_stale": _REFUSED,
    "model_quarantined": _REFUSED,
    "load_failed": _FAILED,
    "load_cancelled": _FAILED,
    "model_not_loaded": _FAILED,
    "model_busy": _REFUSED,
    "queue_full": _REFUSED,
    "request_timeout": _FAILED,
    "invalid_prompt": _USAGE,
    "constraint_not_supported": _USAGE,
    "task_not_supported": _USAGE,
    "response_not_found": _FAILED,
    "worker_lost": _FAILED,
    "policy_denied": _REFUSED,
    "ask_not_found": _FAILED,
    "ask_not_open": _REFUSED,
    "ask_expired": _REFUSED,
    "plan_stale": _REFUSED,
    "plan_mismatch": _REFUSED,
    "self_approval": _REFUSED,
    "proof_required": _REFUSED,
    "too_many_asks": _REFUSED,
    "quorum_impossible": _REFUSED,
    "revision_required": _REFUSED,
    "run_not_found": _FAILED,
    "evidence_damaged": _FAILED,
    "trash_not_found": _FAILED,
    "restore_refused": _REFUSED,
    "repair_refused": _REFUSED,
    "hub_unreachable": _FAILED,
    "hub_refused": _REFUSED,
    "signature_invalid": _REFUSED,
    "guardrails_invalid": _USAGE,
    "intent_unclear": _USAGE,
    "guardrail_violated": _REFUSED,
    "guardrails_conflict": _REFUSED,
    "guardrails_not_found": _FAILED,
    "proposal_invalid": _USAGE,
    "too_many_proposals": _REFUSED,
    "proposal_not_found": _FAILED,
    "proposal_ended": _REFUSED,
    "advisor_not_found": _FAILED,
    "advisor_busy": _REFUSED,
    "advisor_contained": _REFUSED,
    "too_many_requests": _REFUSED,
    "config_invalid": _USAGE,
    "backup_refused": _REFUSED,
    "audit_unavailable": _REFUSED,
    "shutting_down": _REFUSED,
    "start_refused": _REFUSED,
}
"""A refusal that is not here: refused when the status is 4xx, failed otherwise."""

HINTS: Final[Mapping[str, str]] = {
    "key_missing": "Set LMX_KEY, or run this as the account that started the server. A lost "
    "operator key is replaced with the server stopped: `lmx keys recover`.",
    "invalid_api_key": "Check LMX_KEY; `lmx keys ls` with the operator key lists the keys.",
    "forbidden": "Use a key with the role that this needs: `lmx keys ls` shows each key's roles.",
    "model_not_found": "`lmx models ls` lists the models.",
    "key_not_found": "`lmx keys ls` lists the keys.",
    "event_not_found": "`lmx ledger ls` lists the newest events.",
    "does_not_fit": "`lmx models fit NAME` prints the arithmetic.",
    "model_quarantined": "`lmx models verify NAME` hashes its files again.",
    "digest_mismatch": "Import the model again from a copy that you trust.",
}
"""What to do next, for codes where the command line knows more than the server says."""


def exit_code_for(code: str, status: int) -> ExitCode:
    return BY_CODE.get(code, _REFUSED if 400 <= status < 500 else _FAILED)


@contextmanager
def refused_as_said(then: str = "") -> Iterator[None]:
    """What is refused in this process ends the command with that sentence, and `then` after it."""
    from app.domain.refusal import Refusal

    try:
        yield
    except Refusal as refusal:
        sentence = f"{refusal.message} {then}".rstrip()
        raise CommandError(sentence, exit_code=ExitCode.REFUSED) from refusal
