"""What an answer has to look like: `response_format`, and vLLM's names for the same and more."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic_core import from_json

from app.domain.generation import Constraint, Form
from app.domain.refusals import InvalidRequest

MAX_CHOICES = 1024
MAX_PATTERN_CHARACTERS = 32_768
_MAX_NAME = 64

_ObjectDocs = Field(json_schema_extra={"type": ["object", "null"]})
_TextDocs = Field(json_schema_extra={"type": ["string", "null"]})
_Schema = Annotated[Any, Field(json_schema_extra={"type": ["object", "string", "null"]})]


class Constrained(BaseModel):
    """The fields that constrain an answer; every surface like OpenAI's has them."""

    response_format: Annotated[Any, _ObjectDocs] = None
    structured_outputs: Annotated[Any, _ObjectDocs] = None
    guided_json: _Schema = None
    guided_regex: Annotated[Any, _TextDocs] = None
    guided_choice: Annotated[Any, Field(json_schema_extra={"type": ["array", "null"]})] = None
    guided_grammar: Annotated[Any, _TextDocs] = None

    def constraint(self) -> Constraint | None:
        """The one constraint that was asked for, or None; InvalidRequest for two or a wrong one."""
        found = _found(self.__dict__, _GUIDED)
        if self.structured_outputs is not None:
            found |= _structured(self.structured_outputs)
        constraint = format_of(self.response_format, "response_format")
        if constraint is not None:
            found["response_format"] = constraint
        return _only(found)


def format_of(asked: Any, where: str) -> Constraint | None:
    """`response_format` as chat completions have it. `strict: false` is enforced all the same."""
    if asked is None:
        return None
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "text":
        return None
    if kind == "json_object":
        # llama.cpp's clients put a schema beside it.
        schema = asked.get("schema")
        return Constraint(Form.JSON) if schema is None else _schema(schema, f"{where}.schema")
    if kind == "json_schema":
        return named_schema(asked.get("json_schema"), f"{where}.json_schema")
    raise InvalidRequest(
        f"{where}.type must be 'text', 'json_object' or 'json_schema'.", param=f"{where}.type"
    )


def named_schema(asked: Any, where: str) -> Constraint:
    """``{"name", "schema", "strict", "description"}``."""
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be an object with name and schema.", param=where)
    name = asked.get("name")
    if name is not None and not (isinstance(name, str) and 1 <= len(name) <= _MAX_NAME):
        raise InvalidRequest(
            f"{where}.name must be a string of 1 to {_MAX_NAME} characters.", param=f"{where}.name"
        )
    if asked.get("strict") not in _STRICT:
        raise InvalidRequest(f"{where}.strict must be true or false.", param=f"{where}.strict")
    return _schema(asked.get("schema"), f"{where}.schema")


_STRICT: tuple[Any, ...] = (None, True, False, "true", "false")
"""LM Studio's examples write it as text."""


def finite(value: Any, where: str) -> Any:
    """`value` once it is sure that a frame and any JSON can carry it."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(
            f"{where} contains a number that JSON cannot carry.", param=where
        ) from error
    return value


def _schema(asked: Any, where: str) -> Constraint:
    if isinstance(asked, bool):
        return Constraint(Form.SCHEMA, asked)
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be a JSON schema, which is an object.", param=where)
    return Constraint(Form.SCHEMA, finite(asked, where))


def _guided_json(asked: Any, where: str) -> Constraint:
    """vLLM's clients also send the schema as text."""
    if isinstance(asked, str):
        try:
            asked = from_json(asked, allow_inf_nan=False)
        except ValueError as error:
            raise InvalidRequest(f"{where} is text that is not valid JSON.", param=where) from error
    return _schema(asked, where)


def _text_for(form: Form) -> Callable[[Any, str], Constraint]:
    def constraint(asked: Any, where: str) -> Constraint:
        if not isinstance(asked, str) or not 1 <= len(asked) <= MAX_PATTERN_CHARACTERS:
            raise InvalidRequest(
                f"{where} must be a string of 1 to {MAX_PATTERN_CHARACTERS} characters.",
                param=where,
            )
        return Constraint(form, asked)

    return constraint


def _choice(asked: Any, where: str) -> Constraint:
    fits = isinstance(asked, list) and 1 <= len(asked) <= MAX_CHOICES
    if not fits or not all(isinstance(text, str) and text for text in asked):
        raise InvalidRequest(
            f"{where} must be a list of 1 to {MAX_CHOICES} strings, none of them empty.",
            param=where,
        )
    return Constraint(Form.CHOICE, list(asked))


def _json_object(asked: Any, where: str) -> Constraint | None:
    if not isinstance(asked, bool):
        raise InvalidRequest(f"{where} must be true or false.", param=where)
    return Constraint(Form.JSON) if asked else None


_Reader = Callable[[Any, str], Constraint | None]

_STRUCTURED: Mapping[str, _Reader] = {
    "json": _guided_json,
    "regex": _text_for(Form.REGEX),
    "choice": _choice,
    "grammar": _text_for(Form.GRAMMAR),
    "json_object": _json_object,
}
_GUIDED: Mapping[str, _Reader] = {
    f"guided_{name}": _STRUCTURED[name] for name in ("json", "regex", "choice", "grammar")
}


def _structured(asked: Any) -> dict[str, Constraint]:
    where = "structured_outputs"
    if not isinstance(asked, dict):
        raise InvalidRequest(f"{where} must be an object.", param=where)
    for name, value in asked.items():
        if name not in _STRUCTURED and value not in (None, False):
            raise InvalidRequest(
                f"{where}.{name[:40]} is not supported; {where} takes {', '.join(_STRUCTURED)}.",
                param=f"{where}.{name[:40]}",
            )
    return _found(asked, _STRUCTURED, f"{where}.")


def _found(
    asked: Mapping[str, Any], readers: Mapping[str, _Reader], prefix: str = ""
) -> dict[str, Constraint]:
    """The constraints among `asked`, by the full name of their fields."""
    found: dict[str, Constraint] = {}
    for name, read in readers.items():
        value = asked.get(name)
        constraint = None if value is None else read(value, prefix + name)
        if constraint is not None:
            found[prefix + name] = constraint
    return found


def _only(found: Mapping[str, Constraint]) -> Constraint | None:
    if len(found) > 1:
        names = list(found)
        raise InvalidRequest(
            f"{' and '.join(names)} each constrain the answer; send one of them.", param=names[1]
        )
    return next(iter(found.values()), None)
