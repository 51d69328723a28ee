"""Whatever a random schema is made of: what its constraint lets a model say, the schema allows."""

import json
import random
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from app.domain.generation import Form
from app.domain.refusals import ConstraintRejected
from app.engines.worker.constraints import Constraints, Enforcing
from tests.unit.engines.test_constraints import Bytes, asked

END = 256
NAMES = ("a", "b", "cc", 'q"', "é/")
CLOSING = frozenset(b'"}],0123456789el')


class Drawn:
    """A random schema, from what is in the tables."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def schema(self, depth: int = 3) -> Any:
        kinds = [self.text, self.number, self.values, self.plain]
        if depth > 0:
            kinds += [self.object, self.object, self.array, self.options, self.joined, self.joined]
        return self.random.choice(kinds)(depth - 1)

    def maybe(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def plain(self, _: int) -> Any:
        return {"type": self.random.choice(["null", "boolean", ["null", "integer"]])}

    def text(self, _: int) -> Any:
        schema: dict[str, Any] = {"type": "string", "maxLength": self.random.randint(2, 5)}
        if self.maybe():
            schema["minLength"] = self.random.randint(0, 2)
        if self.maybe():
            schema["pattern"] = self.random.choice(
                ["^[a-c]", "x", "^\\d+$", "a.b?", "^(a|b)*$", "\\s", "[^q]$", "^[^\\x00-\\x1f]*$"]
            )
        if self.maybe(0.3):
            del schema["type"]
        return schema

    def number(self, _: int) -> Any:
        low = self.random.choice([-20, -3, 0, 2.5, 7])
        schema: dict[str, Any] = {"type": self.random.choice(["integer", "number"])}
        schema[self.random.choice(["minimum", "exclusiveMinimum"])] = low
        if self.maybe(0.8):
            schema[self.random.choice(["maximum", "exclusiveMaximum"])] = low + 50
        if self.maybe(0.4):
            schema["multipleOf"] = self.random.choice([2, 7, 0.5, 0.01])
        return schema

    def values(self, _: int) -> Any:
        values = [1, 2.5, "a", "ab", None, True, [1, "x"], {"a": 1, "b": None}, "", -7]
        if self.maybe(0.3):
            return {"const": self.random.choice(values)}
        return {"enum": self.random.sample(values, 3)}

    def object(self, depth: int) -> Any:
        names = self.random.sample(NAMES, self.random.randint(0, 3))
        schema: dict[str, Any] = {"properties": {name: self.schema(depth) for name in names}}
        if self.maybe(0.8):
            schema["type"] = "object"
        if self.maybe():
            schema["required"] = self.random.sample(NAMES, self.random.randint(0, 2))
        if self.maybe(0.7):
            schema["additionalProperties"] = self.maybe(0.3) and self.schema(0)
        if self.maybe(0.2):
            schema["patternProperties"] = {"^x[yz]?$": self.schema(0)}
        if self.maybe(0.2):
            schema["maxProperties"] = self.random.randint(0, 4)
        if self.maybe(0.2):
            schema["minProperties"] = self.random.randint(0, 2)
        return self.shuffled(schema)

    def array(self, depth: int) -> Any:
        schema: dict[str, Any] = {"type": "array", "maxItems": self.random.randint(1, 3)}
        if self.maybe():
            schema["minItems"] = self.random.randint(0, 2)
        if self.maybe(0.7):
            schema["items"] = self.schema(depth)
        if self.maybe(0.3):
            schema["prefixItems"] = [self.schema(depth)]
        return self.shuffled(schema)

    def options(self, depth: int) -> Any:
        return {self.random.choice(["anyOf", "anyOf", "oneOf"]): [self.schema(depth)] * 1
                + [self.schema(depth)]}  # fmt: skip

    def joined(self, depth: int) -> Any:
        """Several schemas that one value has to obey."""
        schema = dict(self.random.choice([self.object, self.text, self.number])(depth))
        extra = self.random.choice(["allOf", "anyOf", "$ref"])
        if extra == "$ref":
            schema["$ref"] = self.random.choice(["#/$defs/x", "#/$defs/y"])
        else:
            schema[extra] = [
                self.object(depth),
                self.random.choice([self.object, self.text])(depth),
            ]
        return self.shuffled(schema)

    def shuffled(self, schema: dict[str, Any]) -> dict[str, Any]:
        names = list(schema)
        self.random.shuffle(names)
        return {name: schema[name] for name in names}

    def whole(self) -> Any:
        return {"$defs": {"x": self.schema(1), "y": self.object(1)}, "allOf": [self.schema()]}


def said(made: Enforcing, draw: random.Random) -> str | None:
    """A random answer, in haste to end; None if it has not ended after a while."""
    out = bytearray()
    for _ in range(160):
        allowed = [int(token) for token in made.allowed.nonzero()[0]]
        if made.error is not None:
            return None
        if END in allowed and draw.random() < 0.7:
            return out.decode()
        ready = [token for token in allowed if token in CLOSING]
        known = [token for token in allowed if 32 <= token < 127]
        one = draw.choice((ready if draw.random() < 0.5 else known) or known or allowed)
        if one == END:
            return out.decode()
        out.append(one)
        made.draw(one)
    return None


@pytest.mark.parametrize("hundred", range(3))
def test_what_a_random_schema_lets_through_is_valid(hundred: int) -> None:
    constraints = Constraints(Bytes(), vocab_size=257, ends=[END])
    compiled, answers = 0, 0
    for seed in range(hundred * 100, hundred * 100 + 100):
        schema = Drawn(seed).whole()
        exact = json.loads(json.dumps(schema), parse_float=Decimal)
        for turn in range(4):
            try:
                made = constraints.compile(asked(Form.SCHEMA, schema), "")
            except ConstraintRejected:
                break
            assert made is not None
            compiled += turn == 0
            text = said(made, random.Random(turn))
            if text is not None:
                answers += 1
                value = json.loads(text, parse_float=Decimal)
                errors = [
                    e.message for e in jsonschema.Draft202012Validator(exact).iter_errors(value)
                ]
                assert not errors, (text, json.dumps(schema), errors)
    assert compiled >= 40
    assert answers >= 80
