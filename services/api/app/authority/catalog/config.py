"""The only reader of a model's config.json: bounded, and every number checked for sense."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from app.domain.refusals import IntakeRefused

PATH = "config.json"
MAX_JSON_BYTES = 64 << 20
# Keys that name code to run. Nothing from a model is executed (promise C06).
CODE_KEYS = ("auto_map", "model_file", "custom_pipelines", "trust_remote_code")


class Config:
    """Fields of a configuration; reads of numbers are bounded and refuse what makes no sense."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    @property
    def model_type(self) -> str:
        value = self._fields.get("model_type")
        if not isinstance(value, str) or not value.isascii() or not 0 < len(value) <= 64:
            refuse("does not say its model_type; a converted model's config.json does")
        return value

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def number(self, *names: str, high: int, default: int | None = None, low: int = 1) -> int:
        """The first of `names` that is set, between `low` and `high`, else `default`."""
        for name in names:
            if (value := self._fields.get(name)) is None:
                continue
            if type(value) is not int or not low <= value <= high:
                refuse(
                    f"says {name} is {str(value)[:40]}; it must be a whole number from {low} to "
                    f"{high}"
                )
            return value
        if default is None:
            refuse(f"does not say {names[0]}, so its need of memory cannot be computed")
        return default

    def words(self, name: str) -> list[str] | None:
        """A list of strings, or None where it is not set."""
        value = self._fields.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            refuse(f"says {name} is not a list of names")
        return value

    def text(self, name: str) -> str | None:
        value = self._fields.get(name)
        return value if isinstance(value, str) else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object, as it is; empty where it is none."""
        value = self._fields.get(name)
        return value if isinstance(value, dict) else {}

    def language_part(self, silent: Mapping[str, int]) -> "Config":
        """The language model's own fields; `silent` stands in for those that nobody set."""
        nested: Mapping[str, Any] = {}
        for name in ("text_config", "llm_config", "language_config"):
            found = self._fields.get(name)
            if isinstance(found, dict):
                nested = {k: v for k, v in found.items() if v is not None}
                break
        return Config({**silent, **self._fields, **nested})


def parse_config(text: bytes) -> Config:
    """Read config.json. Raises IntakeRefused with a sentence."""
    fields = parse_json(text, path=PATH)
    if not isinstance(fields, dict):
        refuse("is not a JSON object")
    _refuse_code(fields)
    return Config(fields)


def parse_json(text: bytes, *, path: str) -> Any:
    """Any JSON of a model, bounded. Raises IntakeRefused naming `path`."""
    if len(text) > MAX_JSON_BYTES:
        refuse(f"is {len(text)} bytes long; at most {MAX_JSON_BYTES} are read", path)
    try:
        return json.loads(text.decode("utf-8-sig"))
    except RecursionError:
        refuse("is nested too deeply", path)
    except ValueError as error:
        refuse(f"is not JSON ({error}); get it again", path)


def _refuse_code(fields: Mapping[str, Any]) -> None:
    parts = [fields, *(value for value in fields.values() if isinstance(value, dict))]
    for part in parts:
        for key in CODE_KEYS:
            if part.get(key):
                refuse(
                    f"asks for code from the model to be run ({key}); LMX runs none. Use a "
                    "version of the model that needs no custom code"
                )


def refuse(why: str, path: str = PATH) -> NoReturn:
    raise IntakeRefused(f"{path} {why}.", details={"path": path})
