"""Bytes of a request to a checked request, or the one InvalidRequest that says what is wrong."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.domain.refusals import InvalidRequest
from app.routers.errors import invalid

Body = TypeVar("Body", bound=BaseModel)


def parse(kind: type[Body], raw: bytes) -> Body:
    """Read `raw` in one pass.

    Pydantic's own JSON reader bounds nesting, refuses invalid UTF-8 and unpaired surrogates, and
    never builds what the request does not use.
    """
    if not raw.strip():
        raise InvalidRequest("The body of the request is empty; send a JSON object.")
    if b"NaN" in raw or b"Infinity" in raw:
        _refuse_what_is_no_json(raw)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    first = found[0]
    if first["type"] == "json_invalid":
        reason = first["msg"].removeprefix("Invalid JSON: ")
        raise InvalidRequest(f"The body of the request is not valid JSON: {reason}.")
    if not first["loc"]:
        raise InvalidRequest("The body of the request must be a JSON object.")
    if first["type"] == "missing":
        name = invalid(found).param
        raise InvalidRequest(f"You must provide the parameter {name}.", param=name)
    raise invalid(found)


def _refuse_what_is_no_json(raw: bytes) -> None:
    """NaN and Infinity are no JSON, also in a field of any kind, where Pydantic takes them."""
    try:
        from_json(raw, allow_inf_nan=False, cache_strings=False)
    except ValueError as error:
        raise InvalidRequest(f"The body of the request is not valid JSON: {error}.") from error
