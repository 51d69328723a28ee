"""The one bridge from refusals and bugs to the wire: a table, and the shape each surface uses."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain import refusals as no
from app.domain.refusals import Refusal
from app.routers.faults import Fault as Fault  # noqa: PLC0414 - found here too
from app.routers.faults import Wire, shaped

_INVALID = "invalid_request_error"
_SDK_RETRIES = frozenset({408, 409, 429, *range(500, 600)})


def _bad(title: str, cure: str, status: int = 400) -> Wire:
    return Wire(status, _INVALID, title, cure)


def _denied(status: int, title: str, cure: str) -> Wire:
    return Wire(status, "permission_error", title, cure)


def _server(title: str, cure: str, status: int = 503, retry_after_s: int | None = None) -> Wire:
    return Wire(status, "server_error", title, cure, retry_after_s)


WIRE: Mapping[type[Refusal], Wire] = {
    no.KeyMissing: _bad("A key is needed", "Send your key as a bearer token.", 401),
    no.KeyInvalid: _bad(
        "The key is unknown or revoked", "Ask an operator for a new key: lmx keys create.", 401
    ),
    no.Forbidden: _denied(403, "The key's roles do not allow this", "Use a key with the role."),
    no.ConfirmationRequired: _denied(
        428, "A typed confirmation is needed", "Send the phrase in the message as `confirmation`."
    ),
    no.HostNotAllowed: _denied(
        421, "The Host header is not this server's", "Use 127.0.0.1, or set allowed_hosts."
    ),
    no.OriginNotAllowed: _denied(
        403, "A web page of another origin asked", "Call from a program, not from a foreign page."
    ),
    no.InvalidRequest: _bad("The request is malformed", "Correct the field named in `param`."),
    no.RequestTooLarge: _bad("The body is too large", "Send less, or raise max_body_bytes.", 413),
    no.HeadTooLarge: _bad("The headers are too large", "Send fewer or shorter headers.", 431),
    no.ContextLengthExceeded: _bad(
        "The prompt is longer than the context", "Shorten it, or load with a longer context."
    ),
    no.ModelNotFound: _bad("No such model", "See GET /v1/models for the names.", 404),
    no.JobNotFound: _bad("No such download", "Ask again: POST /api/v1/models/download.", 404),
    no.NotOffered: _bad("This server does not do that", "Leave out the field named in `param`."),
    no.KeyNotFound: _bad("No such key", "See lmx keys ls.", 404),
    no.EventNotFound: _bad("No such ledger event", "See lmx ledger ls.", 404),
    no.ProofUnavailable: _bad(
        "No proof for this size or event", "See lmx ledger checkpoint for the size.", 404
    ),
    no.CosignatureRefused: _bad(
        "The cosigned checkpoint cannot be taken", "Have the witness cosign this log's own.", 422
    ),
    no.PersonNotFound: _bad("No such person", "See lmx ledger report who.", 404),
    no.IntakeRefused: _bad("The files may not enter the store", "Correct or remove the file."),
    no.ModelExists: _bad("The name is taken by other bytes", "Import under another name.", 409),
    no.NotLoadable: _denied(
        403, "The model is not verified or pinned", "Import it, or have an operator pin it."
    ),
    no.DigestMismatch: _server(
        "Stored bytes are not those that were imported", "Import the model again.", 409
    ),
    no.DiskFull: _server("The disk is full", "Free the space named in the message.", 507),
    no.ModelTooLarge: _server(
        "The model does not fit in memory now", "See the arithmetic: lmx models fit NAME."
    ),
    no.MemoryReadingStale: _server(
        "Memory could not be read in time", "Ask again; if it stays, look at lmx status."
    ),
    no.ModelQuarantined: _server(
        "The model's worker crashed repeatedly", "An operator runs lmx models verify NAME."
    ),
    no.LoadFailed: _server("The model could not be loaded", "Read the message; see lmx ledger ls."),
    no.LoadCancelled: _server("The load was cancelled", "Ask again if it is still wanted."),
    no.ModelNotLoaded: _bad("The model is not loaded", "Load it first: lmx models load.", 409),
    no.ModelBusy: _server("The model is busy", "Wait until its requests have ended.", 409),
    no.QueueFull: Wire(
        429, "rate_limit_error", "Too many requests wait", "Wait as Retry-After says.", 1
    ),
    no.RequestTimeout: Wire(
        408, "timeout_error", "Request timeout", "Ask for fewer tokens, or raise the time limit."
    ),
    no.PromptRejected: _bad("The prompt cannot be used", "Correct the prompt."),
    no.ConstraintRejected: _bad(
        "The schema or grammar cannot be enforced", "Change what the message names."
    ),
    no.ResponseNotFound: _bad("No such response is kept", "Send the whole conversation.", 404),
    no.TaskNotSupported: _bad("The model is not made for this", "Ask another model for it."),
    no.WorkerLost: _server("The model's worker ended", "Ask again: it restarts.", 503, 1),
    no.ApprovalRequired: Wire(
        403,
        "permission_error",
        "The act waits for an approval",
        "See lmx approvals show ID; ask again once it is approved.",
        final=True,
    ),
    no.PolicyDenied: _denied(
        403, "Policy does not allow this", "Read the rules that fired in `policy`."
    ),
    no.AskNotFound: _bad("No such ask", "See lmx approvals ls.", 404),
    no.AskNotOpen: _bad(
        "The ask's state does not allow this", "See lmx approvals show ID; ask again.", 409
    ),
    no.AskExpired: _bad("The ask has expired", "Ask again: lmx approvals again ID.", 409),
    no.PlanStale: _bad(
        "What the act would do has changed", "Look at the new plan: lmx approvals again ID.", 409
    ),
    no.PlanMismatch: _bad(
        "The plan's hash is another one", "Read the plan again before you decide.", 409
    ),
    no.SelfApproval: _denied(403, "Who asked may not approve", "Another approver has to decide."),
    no.ProofRequired: _denied(
        428, "A fresh proof of the key is needed", "Fetch the ask again and answer its challenge."
    ),
    no.TooManyAsks: Wire(
        429, "rate_limit_error", "Too many asks", "Decide on or withdraw those that wait.", 60
    ),
    no.QuorumImpossible: _bad(
        "The rule could never be met", "Name more approvers first: lmx people add.", 422
    ),
    no.RevisionRequired: _bad(
        "The act cannot be done as asked", "Do what the message says: lmx approvals again ID.", 409
    ),
    no.RunNotFound: _bad("No such run", "See lmx runs ls.", 404),
    no.EvidenceDamaged: _server(
        "Evidence is not what was recorded",
        "Keep a copy of LMX_HOME, then: lmx ledger verify.",
        500,
    ),
    no.TrashNotFound: _bad("Nothing like that in the trash", "See lmx store ls.", 404),
    no.RepairRefused: _bad("It cannot be repaired", "Do what the message says.", 409),
    no.RestoreRefused: _bad("It cannot be restored", "Do what the message says.", 409),
    no.HubUnreachable: _server(
        "The hub cannot be reached", "Pull again: what was fetched is kept.", 502
    ),
    no.HubRefused: _server("The hub's answer cannot be used", "Do what the message says.", 502),
    no.SignatureInvalid: _denied(
        403, "The model's signature does not hold", "Get the model from its publisher."
    ),
    no.GuardrailsInvalid: _bad(
        "The guardrails document cannot be used", "Correct what `errors` lists, by line.", 422
    ),
    no.IntentUnclear: _bad(
        "The intent leaves something open", "Say which of `choices` is meant.", 422
    ),
    no.GuardrailViolated: _bad(
        "The guardrails do not allow this", "Change what `violations` lists.", 422
    ),
    no.GuardrailsConflict: _bad(
        "This id and version stand for something else", "Give it another id.", 409
    ),
    no.GuardrailsNotFound: _bad("Nothing like that in the guardrails", "See lmx guardrails.", 404),
    no.ProposalInvalid: _bad(
        "The proposal cannot be taken", "Correct what the message names.", 422
    ),
    no.TooManyProposals: Wire(
        429, "rate_limit_error", "Too many proposals", "Wait until people decided on some.", 60
    ),
    no.ProposalNotFound: _bad("No such proposal", "See lmx advice ls.", 404),
    no.ProposalEnded: _bad("The proposal is no longer open", "See lmx advice show ID.", 409),
    no.AdvisorNotFound: _bad("No such advisor", "See lmx advice run --help.", 404),
    no.AdvisorBusy: _server("The advisor is at work", "Ask again when it is done.", 409, 5),
    no.AdvisorContained: _denied(
        403, "Advice may not do this", "Propose it instead; a person decides."
    ),
    no.RateLimited: Wire(
        429, "rate_limit_error", "The key asks too much", "Wait as Retry-After says.", 1
    ),
    no.ConfigInvalid: _bad(
        "The configuration cannot be used", "Correct the lines named: lmx config check.", 422
    ),
    no.BackupRefused: _bad(
        "The backup is not of this ledger", "Make a new one: lmx backup create.", 409
    ),
    no.AuditUnavailable: _server(
        "The ledger cannot be written", "Free disk space or repair LMX_HOME; nothing was done."
    ),
    no.ApprovalUnavailable: _denied(
        403, "No approval can allow this", "Do what the message says; nothing was done."
    ),
    no.ShuttingDown: _server("The server is stopping", "Ask again when it is back."),
    no.StartRefused: _server("The server may not start", "Do what the message says."),
}

_UNKNOWN_ROUTE = _bad("No such route", "Check the path and the base URL.", 404)
_WRONG_METHOD = _bad("The route has other methods", "See the Allow header.", 405)
_BUG = _server("A defect in the server", "Report it with the request id.", 500)
_NOT_REFUSALS: Mapping[str, Wire] = {
    "unknown_url": _UNKNOWN_ROUTE,
    "method_not_allowed": _WRONG_METHOD,
    "internal_error": _BUG,
}


def wire_of(refusal: type[Refusal]) -> Wire:
    return next((WIRE[kind] for kind in refusal.__mro__ if kind in WIRE), _BUG)


def fault_of(error: Exception, *, method: str = "", path: str = "") -> Fault:
    """What to say about any exception; one that nobody anticipated is told without detail."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, Refusal):
        error = error.__cause__
    if isinstance(error, Refusal):
        wire = wire_of(type(error))
        retry = wire.retry_after_s if error.retry_after_s is None else error.retry_after_s
        param = "model" if error.code == "model_not_found" else None
        return Fault(wire, error.code, error.message, error.param or param, retry, error.details)
    if isinstance(error, RequestValidationError):
        return fault_of(invalid(error.errors()))
    if isinstance(error, HTTPException):
        return _routing_fault(error, method, path)
    return Fault(
        _BUG,
        "internal_error",
        "The server failed on this request. It has logged why, under the id in x-request-id.",
    )


def _routing_fault(error: HTTPException, method: str, path: str) -> Fault:
    shown = f"{method} {path[:200]}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        message = f"Unknown request URL: {shown}. Check the path and the base URL."
        return Fault(_UNKNOWN_ROUTE, "unknown_url", message)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "")
        message = f"{shown} does not exist; this route has {allow or 'other methods'}."
        return Fault(_WRONG_METHOD, "method_not_allowed", message, headers={"allow": allow})
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return fault_of(no.InvalidRequest("The body of the request is not valid JSON."))
    return fault_of(RuntimeError())


def invalid(errors: Any) -> no.InvalidRequest:
    """The first of Pydantic's findings as a sentence; `param` is the field's path."""
    first = errors[0]
    param = field_path(first["loc"])
    if first["type"] == "json_invalid":
        return no.InvalidRequest("The body of the request is not valid JSON.")
    reason = first["msg"].removeprefix("Value error, ")
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    where = f"{param}: " if param else ""
    return no.InvalidRequest(f"{where}{reason}{more}.", param=param)


def field_path(location: tuple[int | str, ...]) -> str | None:
    """``("body", "messages", 0, "role")`` as ``messages[0].role``."""
    path = ""
    # A body that was parsed by hand may have a field of such a name.
    elsewhere = location[:1] in {("body",), ("query",), ("path",)} and location != ("query",)
    for part in location[1:] if elsewhere else location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part[:100]}" if path else part[:100]
    return path or None


def retry_headers(fault: Fault) -> dict[str, str]:
    """Say when to come back, or stop a client that would retry by itself for nothing."""
    if fault.retry_after_s is not None:
        return {"retry-after": str(max(1, fault.retry_after_s))}
    stops = fault.wire.final or fault.wire.status in _SDK_RETRIES
    return {"x-should-retry": "false"} if stops else {}


"""A fault and the request's id to a JSON body."""


def error_response(fault: Fault, *, path: str, request_id: str) -> Response:
    media_type, body = shaped(fault, path, request_id)
    headers = {**fault.headers, **retry_headers(fault)}
    if fault.wire.status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return Response(
        json.dumps(body),
        status_code=fault.wire.status,
        headers=headers,
        media_type=media_type,
    )


def error_table() -> str:
    """Every code as a Markdown table: docs/errors.md is this."""
    rows = [(kind.code, wire) for kind, wire in WIRE.items()] + list(_NOT_REFUSALS.items())
    lines = ["| code | status | type | means | retry | what to do |", "|---|---|---|---|---|---|"]
    for code, wire in sorted(rows, key=lambda row: (row[1].status, row[0])):
        when = _advice(wire)
        lines.append(
            f"| `{code}` | {wire.status} | `{wire.type}` | {wire.title} | {when} | {wire.cure} |"
        )
    return "\n".join(lines) + "\n"


def _advice(wire: Wire) -> str:
    if wire.retry_after_s is not None:
        return "yes, after `Retry-After`"
    if wire.final:
        return "no: `x-should-retry: false`"
    if wire.status in _SDK_RETRIES:
        return "only with `Retry-After`; else `x-should-retry: false`"
    return "no"
