"""What is wrong with a setting, said so that a person can mend it. Pure.

No value is repeated that is a text: it may be one that nobody else should read.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.settings import Settings
from app.strict_yaml import At

_WANTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number with an end",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "names with their values",
    "model_type": "names with their values",
    "path_type": "a path",
}
_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (list, "a list"),
    (dict, "names with their values"),
)


def explained(error: ValidationError) -> Iterator[tuple[At, str]]:
    """Where, and what is wrong there and what to write, for each of its errors."""
    for found in error.errors(include_url=False):
        at = tuple(part for part in found["loc"] if part != "[key]")
        yield at, _said(found, at)


def _said(found: ErrorDetails, at: At) -> str:
    kind, bound = found["type"], found.get("ctx", {})
    if kind in _WANTED:
        stands = _kind_of(found["input"])
        said = f" is {_WANTED[kind]}, and {stands} stands there{_for_example(at)}"
    elif kind in _BOUNDS:
        said = f" {_BOUNDS[kind](bound)}"
    else:
        said = _otherwise(found, at)
    return f"`{dotted(at)}`{said}"


def _otherwise(found: ErrorDetails, at: At) -> str:
    match found["type"]:
        case "extra_forbidden":
            return f" is unknown; {_instead(at)}"
        case "missing":
            return " is missing: set it"
        case "literal_error":
            return f" can only be {found['ctx']['expected']}{_nearest(found)}"
        case _:
            return f": {found['msg'].removeprefix('Value error, ')}"


_BOUNDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "greater_than": lambda bound: f"must be more than {bound['gt']:g}",
    "greater_than_equal": lambda bound: f"must be {bound['ge']:g} or more",
    "less_than_equal": lambda bound: f"must be {bound['le']:.10g} or less",
    "too_long": lambda bound: f"may have {bound['max_length']} entries, and has more",
    "string_too_long": lambda bound: f"may have {bound['max_length']} characters",
    "string_pattern_mismatch": lambda bound: f"must read like {bound['pattern']}",
}


def dotted(at: At) -> str:
    """The name of a setting, as in `limits.keys.bot`; a place in a list is counted from 1."""
    return ".".join(part if isinstance(part, str) else f"entry {part + 1}" for part in at)


def _kind_of(value: Any) -> str:
    return next((said for kind, said in _KINDS if isinstance(value, kind)), "nothing")


def _for_example(at: At) -> str:
    """What stands there by default, where that is short."""
    value: Any = Settings()
    for part in at:
        value = getattr(value, part, None) if isinstance(part, str) else None
    if isinstance(value, bool):
        return f": write `{at[-1]}: {str(value).lower()}`"
    if isinstance(value, int | float | str) and value != "":
        return f": write for example `{at[-1]}: {value}`"
    if isinstance(value, tuple):
        return f": write for example `{at[-1]}: [{', '.join(map(str, value))}]`"
    return ""


def _nearest(found: ErrorDetails) -> str:
    given = found["input"]
    expected = str(found["ctx"]["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    near = difflib.get_close_matches(given, expected, 1, 0.7) if isinstance(given, str) else []
    return f"; did you mean `{near[0]}`?" if near else ""


def _instead(at: At) -> str:
    """A name that is like it, in its place or else in another."""
    *inside, last = at
    here = names_in(tuple(inside))
    near = difflib.get_close_matches(str(last), here, 1, 0.7)
    if near:
        return f"did you mean `{near[0]}`?"
    elsewhere = {name.rsplit(".", 1)[-1]: name for name in _everywhere(Settings, ())}
    found = difflib.get_close_matches(str(last), elsewhere, 1, 0.85)
    if found:
        return f"did you mean `{elsewhere[found[0]]}`?"
    return "take it out" + (f", or use one of {', '.join(here)}" if 0 < len(here) < 9 else "")


def names_in(at: At) -> list[str]:
    """What may be named at a place of the document; nothing where any name may be."""
    model: Any = Settings
    for part in at:
        model = _below(model, part)
    return list(model.model_fields) if _is_model(model) else []


def _below(kind: Any, part: str | int) -> Any:
    if _is_model(kind):
        known = kind.model_fields.get(part)
        return _plain(known.annotation) if known is not None else None
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return _plain(arguments[1])
    return _plain(arguments[0]) if get_origin(kind) is tuple and arguments else None


def _plain(kind: Any) -> Any:
    """The kind that an annotation is of, without bounds and without `| None`."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in {Union, UnionType}:
        return _plain(next(part for part in get_args(kind) if part is not type(None)))
    return kind


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _everywhere(model: type[BaseModel], at: At) -> Iterator[str]:
    for name, known in model.model_fields.items():
        kind = _plain(known.annotation)
        if _is_model(kind):
            yield from _everywhere(kind, (*at, name))
        else:
            yield dotted((*at, name))
