"""An error about to be written, and the shape that each surface gives it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_INVALID = "invalid_request_error"
_LM_STUDIO_TYPES = frozenset({"job_not_found", "model_not_found", "not_implemented"})
_LM_STUDIO_NAMES = {"context": "context_length", "slots": "parallel", "repo": "model"}
"""What the authority calls a field that has another name there."""

_ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
}
_PROBLEM = "application/problem+json"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Wire:
    """How a class of refusals leaves the server. `cure` is what the docs page says to do."""

    status: int
    type: str
    title: str
    cure: str
    retry_after_s: int | None = None
    final: bool = False
    """Asking again changes nothing until somebody has acted: every client is told so."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An error about to be written, whatever it came from."""

    wire: Wire
    code: str
    message: str
    param: str | None = None
    retry_after_s: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def openai(self) -> dict[str, Any]:
        return {
            "error": {
                "message": self.message,
                "type": self.wire.type,
                "param": self.param,
                "code": self.code,
            }
        }

    def lm_studio(self) -> dict[str, Any]:
        """LM Studio's own shape. It has few types, so the code says which refusal it was."""
        kind = (
            "internal_error"
            if self.wire.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            else "invalid_request"
        )
        kind = self.code if self.code in _LM_STUDIO_TYPES else kind
        told = {"type": kind, "message": self.message, "code": self.code}
        param = _LM_STUDIO_NAMES.get(self.param or "", self.param)
        return {"error": told | ({"param": param} if param else {})}

    def problem(self, request_id: str) -> dict[str, Any]:
        """An RFC 9457 problem document; the refusal's own details stand beside the members."""
        return {
            **self.details,
            "type": f"urn:lmx:error:{self.code}",
            "title": self.wire.title,
            "status": self.wire.status,
            "detail": self.message,
            "code": self.code,
            "param": self.param,
            "request_id": request_id,
        }

    def anthropic(self, request_id: str) -> dict[str, Any]:
        """Anthropic's own shape. The type follows the status, as its clients expect."""
        status = self.wire.status
        other = "api_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else _INVALID
        error = {"type": _ANTHROPIC_TYPES.get(status, other), "message": self.message}
        return {"type": "error", "error": error, "request_id": request_id}


Shape = Callable[[Fault, str], dict[str, Any]]

SHAPES: tuple[tuple[str, str, Shape], ...] = (
    ("/authority", _PROBLEM, Fault.problem),
    ("/advisory", _PROBLEM, Fault.problem),
    ("/api/v1", _JSON, lambda fault, _: fault.lm_studio()),
    ("/v1/messages", _JSON, Fault.anthropic),
    ("", _JSON, lambda fault, _: fault.openai()),
)
"""The body of an error: the first prefix of the path that fits, its media type and its shape."""


def shaped(fault: Fault, path: str, request_id: str) -> tuple[str, dict[str, Any]]:
    """Media type and body of `fault` on `path`."""
    media_type, shape = next(row[1:] for row in SHAPES if path.startswith(row[0]))
    return media_type, shape(fault, request_id)
