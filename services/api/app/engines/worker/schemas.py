"""JSON schemas that can be enforced exactly, and a refusal that says where and why for all others.

llguidance reads most of JSON Schema, but passes over words that it does not know and reads some
values in its own way. So nothing reaches it that is not in the tables here: every keyword is one
that it enforces, or one that asserts nothing and is left out.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from app.engines.worker.keywords import (
    BOUNDS,
    MAX_NUMBER,
    MAX_PROPERTIES,
    PLAIN,
    SAID_ABOUT,
    is_number,
    pattern_of,
)
from app.engines.worker.patterns import NotExact, has_control

MAX_DEPTH = 48
MAX_SCHEMAS = 4_000
MAX_VALUES = 20_000
MAX_LEVELS = 600
"""Levels of everything that is referred to, together: the compiler goes down them recursively."""
MAX_PATTERNS = 250
MAX_JOINED_PATTERNS = 12
"""Where one text may have to match several: telling whether any can is exponential."""
MAX_NAME_PATTERNS = 32
MAX_ALTERNATIVES = 100
"""What the options of schemas that are joined multiply to."""
MAX_BOUNDS = 500
MAX_PATTERN_TEXT = 32_768
MAX_STEPS = 10_000
"""Remainders that `multipleOf` keeps apart: compile time and memory grow with them."""

_SAYS_NOTHING = frozenset(
    (
        "$comment $anchor $dynamicAnchor title description default examples example deprecated "
        "readOnly writeOnly contentMediaType contentEncoding contentSchema discriminator "
        "markdownDescription enumDescriptions errorMessage externalDocs xml"
    ).split()
)
_ADVICE: Mapping[str, str] = {
    "oneOf": "use anyOf",
    "not": "say what is allowed",
    "uniqueItems": "leave it out and check the answer",
    "nullable": 'use "type": [..., "null"]',
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
    "if": "use anyOf",
    "x-guidance": "leave it out",
}


def exact(schema: Any, at: str = "") -> dict[str, Any]:
    """The same schema as llguidance has to have it, to stand at the JSON pointer `at`.

    Raises `NotExact`.
    """
    walk = _Walk(at)
    written: bool | dict[str, Any] = walk.schema(schema, "#", 0)
    walk.check_whole()
    if isinstance(written, bool):
        return {} if written else {"enum": []}
    return written


class _Walk:
    """One pass over a schema: checks it, counts it and writes it anew."""

    def __init__(self, at: str) -> None:
        self._at = at
        self._places: set[str] = set()
        self._references: dict[str, str] = {}
        self._values = 0
        self._steps: set[Fraction] = set()
        self._joins = False
        self._levels: dict[str, int] = {}
        self._deepest = 0
        self._patterns: list[int] = []
        self._bounds = 0
        self._alternatives: dict[str, int] = {}

    def schema(self, schema: Any, place: str, depth: int) -> Any:
        self._places.add(place)
        if len(self._places) > MAX_SCHEMAS:
            raise NotExact(f"it holds more than {MAX_SCHEMAS} schemas")
        if depth > MAX_DEPTH:
            raise NotExact(f"it is nested more than {MAX_DEPTH} levels deep")
        self._deepest = max(self._deepest, depth)
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise NotExact(f"{place}: a schema must be an object")
        above, self._deepest = self._deepest, depth
        written: dict[str, Any] = {}
        for name, value in schema.items():
            self._keyword(written, name, value, f"{place}/{_escaped(str(name))}", depth)
        _check_together(schema, place)
        self._count(written)
        self._multiply(written, place)
        self._levels[place] = self._deepest - depth + 1
        self._deepest = max(self._deepest, above)
        return written

    def _count(self, written: Mapping[str, Any]) -> None:
        """What takes time to compile, by how many there are of it in the whole schema."""
        self._joins = self._joins or _joins(written)
        self._bounds += len(written.keys() & BOUNDS)
        self._patterns += [len(written[word]) for word in ("pattern", "format") if word in written]
        self._patterns += [len(pattern) for pattern in written.get("patternProperties", ())]

    def _multiply(self, written: Mapping[str, Any], place: str) -> None:
        known = self._alternatives
        found = 1
        for word in ("anyOf", "oneOf", "allOf"):
            below = [
                known.get(f"{place}/{word}/{at}", 1) for at in range(len(written.get(word, ())))
            ]
            found *= max(1, math.prod(below) if word == "allOf" else sum(below))
        if _joins(written) and found > MAX_ALTERNATIVES:
            raise NotExact(f"{place}: joins schemas with more than {MAX_ALTERNATIVES} combinations")
        known[place] = found

    def _keyword(
        self, written: dict[str, Any], name: str, value: Any, place: str, depth: int
    ) -> None:
        if name in _SAYS_NOTHING or (name.startswith("x-") and name not in _ADVICE):
            return
        if name in SAID_ABOUT:
            SAID_ABOUT[name](value, place)
        elif name in ("nullable", "uniqueItems") and value is False:
            return
        elif name in PLAIN:
            written[name] = PLAIN[name](value, place)
        elif name in _NESTED:
            _NESTED[name](self, written, value, place, depth + 1)
        else:
            advice = f"; {_ADVICE[name]}" if name in _ADVICE else ""
            raise NotExact(f"{place}: this keyword cannot be enforced{advice}")

    def one(self, written: dict[str, Any], value: Any, place: str, depth: int) -> None:
        written[place.rpartition("/")[2]] = self.schema(value, place, depth)

    def items(self, written: dict[str, Any], value: Any, place: str, depth: int) -> None:
        """A list is how drafts before 2020 wrote `prefixItems`."""
        if isinstance(value, list | tuple):
            written["prefixItems"] = self._listed(value, place, depth)
        else:
            written["items"] = self.schema(value, place, depth)

    def additional_items(self, written: dict[str, Any], value: Any, place: str, depth: int) -> None:
        if "prefixItems" not in written or "items" in written:
            raise NotExact(f"{place}: without a list in items this says nothing; leave it out")
        written["items"] = self.schema(value, place, depth)

    def many(self, written: dict[str, Any], value: Any, place: str, depth: int) -> None:
        if not value or not isinstance(value, list | tuple):
            raise NotExact(f"{place}: must be a list of schemas")
        written[place.rpartition("/")[2]] = self._listed(value, place, depth)

    def _listed(self, schemas: Any, place: str, depth: int) -> list[Any]:
        return [self.schema(one, f"{place}/{at}", depth) for at, one in enumerate(schemas)]

    def named(self, written: dict[str, Any], value: Any, place: str, depth: int) -> None:
        if not isinstance(value, Mapping):
            raise NotExact(f"{place}: must be an object of schemas")
        keyword = place.rpartition("/")[2]
        if keyword == "properties" and len(value) > MAX_PROPERTIES:
            raise NotExact(f"{place}: holds more than {MAX_PROPERTIES} properties")
        patterns = keyword == "patternProperties"
        if patterns and len(value) > MAX_NAME_PATTERNS:
            raise NotExact(f"{place}: holds more than {MAX_NAME_PATTERNS} patterns")
        written[keyword] = {
            (pattern_of(name, place) if patterns else name): self.schema(
                one, f"{place}/{_escaped(name)}", depth
            )
            for name, one in value.items()
        }

    def reference(self, written: dict[str, Any], value: Any, place: str, _depth: int) -> None:
        if not isinstance(value, str) or not (value == "#" or value.startswith("#/")):
            raise NotExact(f'{place}: only references within the schema ("#/...") are followed')
        self._references[place] = value
        written["$ref"] = f"#{self._at}{value[1:]}"

    def values(self, written: dict[str, Any], value: Any, place: str, _depth: int) -> None:
        if not value or not isinstance(value, list | tuple):
            raise NotExact(f"{place}: must be a list of values")
        written["enum"] = [self._value(one, place, 0) for one in value]

    def constant(self, written: dict[str, Any], value: Any, place: str, _depth: int) -> None:
        written["const"] = self._value(value, place, 0)

    def step(self, written: dict[str, Any], value: Any, place: str, _depth: int) -> None:
        if not is_number(value) or value <= 0:
            raise NotExact(f"{place}: must be a number above 0")
        step = Fraction(repr(value))
        if max(step.numerator, step.denominator) > MAX_STEPS:
            raise NotExact(f"{place}: too fine or too large a step to be enforced")
        self._steps.add(step)
        written["multipleOf"] = value

    def _value(self, value: Any, place: str, depth: int) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise NotExact(f"it lists more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise NotExact(f"{place}: a value is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, str) and has_control(value):
            raise NotExact(f"{place}: a text with a control character cannot be enforced")
        if _is_odd(value):
            raise NotExact(f"{place}: {value!r} is too small or too large to be enforced")
        if isinstance(value, Mapping):
            return {name: self._value(one, place, depth + 1) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(one, place, depth + 1) for one in value]
        return value

    def check_whole(self) -> None:
        """References lead to what was checked, never in circles; joined steps stay small."""
        targets = set(self._references.values())
        if sum(self._levels.get(target, 1) for target in {"#", *targets}) > MAX_LEVELS:
            raise NotExact("its references lead too deep")
        most = MAX_JOINED_PATTERNS if self._joins else MAX_PATTERNS
        if len(self._patterns) > most or sum(self._patterns) > MAX_PATTERN_TEXT:
            raise NotExact(f"it holds more than {most} patterns, or too long ones")
        if self._bounds > MAX_BOUNDS:
            raise NotExact(f"it holds more than {MAX_BOUNDS} bounds of numbers")
        whole = math.lcm(*(step.denominator for step in self._steps))
        if self._joins and math.lcm(*(int(step * whole) for step in self._steps)) > MAX_STEPS:
            raise NotExact("its multipleOf together are too fine or too large to be enforced")
        for place, target in self._references.items():
            if target not in self._places:
                raise NotExact(f"{place}: there is no schema at {target[:80]!r}")
        for place in self._references:
            seen, here = set(), place
            while here in self._references:
                if here in seen:
                    raise NotExact(f"{place}: the reference leads back to itself")
                seen.add(here)
                here = f"{self._references[here]}/$ref"


def _joins(written: Mapping[str, Any]) -> bool:
    """Whether a value has to obey several schemas at once."""
    said = written.keys() - {"$defs", "definitions"}
    return "allOf" in said or (len(said) > 1 and bool(said & {"$ref", "anyOf", "oneOf"}))


def _is_odd(value: Any) -> bool:
    """A number that is written in a way of its own, or read back as another."""
    if not isinstance(value, int | float) or not value:
        return False
    least = 1e-4 if isinstance(value, float) else 1
    return not least <= abs(value) <= MAX_NUMBER


def _check_together(schema: Mapping[str, Any], place: str) -> None:
    """A name may come twice in an object that is written, but counts once in one that is read."""
    required = schema.get("required", ())
    if "minProperties" in schema and schema["minProperties"] > len(set(required)) + 1:
        raise NotExact(f"{place}/minProperties: more than one beyond those required")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


_NESTED: Mapping[str, Callable[[_Walk, dict[str, Any], Any, str, int], None]] = {
    "items": _Walk.items,
    "additionalItems": _Walk.additional_items,
    "additionalProperties": _Walk.one,
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _Walk.many),
    **dict.fromkeys(("properties", "patternProperties", "$defs", "definitions"), _Walk.named),
    "$ref": _Walk.reference,
    "enum": _Walk.values,
    "const": _Walk.constant,
    "multipleOf": _Walk.step,
}
