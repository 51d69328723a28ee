"""Makes a Document of plain values, strictly, and says what does not fit.

What does not fit is taken out and the rest is looked at again, so that the checks of
`document.closure` run over what is left: all errors are told at once, and none of them follows
from another.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from app.authority.guardrails.document.model import Document
from app.authority.guardrails.document.problems import (
    LONGEST_STEP,
    Fault,
    Path,
    instead,
    is_at,
    one_of,
)
from app.authority.guardrails.document.tree import Tree
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.registry import COMPATIBLE, STRATEGIES
from app.authority.guardrails.values import ValueType

ADAPTER: Final[TypeAdapter[Document]] = TypeAdapter(Document)

_ROUNDS: Final = 8
"""Taking one thing out can leave another one missing, one level up each time."""

_MISSING: Final = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
_WANTED: Final = {
    "string_type": "a text (in quotes where it looks like something else)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of names to values",
    "dataclass_type": "a mapping of names to values",
}
_EVERY: Final = {kind.value: sorted(COMPATIBLE[kind]) for kind in ValueType}
_NEUTRAL: Final[Mapping[Path, Any]] = {
    ("version",): 1,
    ("strategies",): {name: {} for name in STRATEGIES},
    ("strategies", "*"): {},
    ("type_compatibility",): _EVERY,
    **{("type_compatibility", kind): allowed for kind, allowed in _EVERY.items()},
    ("severity",): {"words": {}},
    ("severity", "words"): {},
    ("actions",): {},
    ("actions", "*", "words"): [],
    ("points",): {},
    ("points", "*", "words"): [],
    ("primitives",): {name: {"words": []} for name in PRIMITIVES},
    ("primitives", "*", "words"): [],
    ("domain", "sets", "*"): [],
}
"""What stands for something wrong while the rest is looked at, where leaving it out would make
other things wrong. Each is copied before it is used."""


def shaped(tree: Tree) -> tuple[Document | None, list[Fault]]:
    """The document, without what does not fit, and everything that does not fit.

    Each place that was taken out or filled in is added to the tree's `damaged`. None: there is
    nothing left to look at.
    """
    faults = {fault.path: fault for fault in _unknown_sections(tree)}
    for _ in range(_ROUNDS):
        try:
            return ADAPTER.validate_json(json.dumps(tree.value)), list(faults.values())
        except ValidationError as error:
            found = [
                _fault(details, tree)
                for details in error.errors(include_url=False, include_input=False)
            ]
            paths = {fault.path for fault in found}
            for fault in found:
                inside = any(fault.path[:length] in paths for length in range(len(fault.path)))
                if not inside and not tree.is_damaged(fault.path):
                    faults.setdefault(fault.path, fault)
                _repair(tree, fault.path)
            tree.damaged.update(faults)
    return None, list(faults.values())


def _unknown_sections(tree: Tree) -> list[Fault]:
    """Takes them out; one that is nearly the name of a missing section is read as that one, so
    that what stands in it is not missed everywhere else."""
    if not isinstance(tree.value, dict):
        return []
    sections = field_names(())
    found = []
    for name in [key for key in tree.value if key not in sections]:
        content = tree.value.pop(name)
        unused = [section for section in sections if section not in tree.value]
        near = get_close_matches(name, unused, n=1)
        found.append(Fault((name,), _no_section(name, near, sections)))
        if near:
            tree.value[near[0]] = content
            inside = [path for path in tree.spots if path[:1] == (name,)]
            tree.spots |= {(near[0], *path[1:]): tree.spots[path] for path in inside}
    return found


def _no_section(name: str, missing: list[str], sections: list[str]) -> str:
    near = missing or get_close_matches(name, sections, n=1)
    there = "" if missing else ", which is there already"
    guess = f"did you mean {near[0]}{there}?" if near else "take it out."
    said = name[:LONGEST_STEP] or "''"
    return f"{said} is not known here: {guess} The sections are {one_of(sections, 'and')}."


def _fault(details: ErrorDetails, tree: Tree) -> Fault:
    kind, path = details["type"], _path(details["loc"], tree)
    if kind in _MISSING:
        missing = str(details["loc"][-1])
        return Fault((*path, missing), f"{missing} is missing: say it.")
    name = str(path[-1]) or "''" if path else "The document"
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        known = field_names(path[:-1])
        unused = sorted(set(known) - set(_at(tree.value, path[:-1])))
        return Fault(path, f"{name} is not known here: {instead(name, unused or known)}")
    expected = str(details.get("ctx", {}).get("expected", "")).replace("'", "")
    if kind == "literal_error" and details["loc"][-1] == "[key]":
        return Fault(path, f"{name} is not known here: write {expected}.")
    if kind == "literal_error":
        return Fault(path, f"{name} must be {expected}.")
    if kind in {"int_type", "float_type"} and details["loc"][-1] in {"int", "float"}:
        return Fault(path, f"{name} must be a number, or null.")
    return Fault(path, f"{name} must be {_WANTED.get(kind, details['msg'])}.")


def _path(location: tuple[int | str, ...], tree: Tree) -> Path:
    """The part of pydantic's location that is in the text: it adds names of its own to it."""
    path: Path = ()
    for step in location:
        if (*path, step) not in tree.spots:
            break
        path = (*path, step)
    return path


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _repair(tree: Tree, path: Path) -> None:
    """Takes what is at `path` out, or puts something neutral there."""
    if not path:
        tree.value = {}
        return
    around, last = _at_or_none(tree.value, path[:-1]), path[-1]
    if isinstance(around, list) and isinstance(last, int):
        around[last] = ""
    elif isinstance(around, dict):
        around.pop(str(last), None)
        for place, neutral in _NEUTRAL.items():
            if is_at(path, place):
                around[str(last)] = deepcopy(neutral)


def _at_or_none(value: Any, path: Path) -> Any:
    try:
        return _at(value, path)
    except (KeyError, IndexError, TypeError):
        return None


def field_names(path: Path) -> list[str]:
    """The names that the section at `path` knows; none where it takes any, or is no section."""
    kind: Any = Document
    for step in path:
        kind = _inside(kind, step)
    return [each.name for each in fields(kind)] if is_dataclass(kind) else []


def _inside(kind: Any, step: str | int) -> Any:
    if is_dataclass(kind):
        return get_type_hints(kind).get(str(step))
    arguments = get_args(kind)
    return arguments[1] if get_origin(kind) is not None and len(arguments) == 2 else None
