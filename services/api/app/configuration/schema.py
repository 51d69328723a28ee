"""The JSON Schema of `config.yaml`, from the settings' own types: what editors check it with."""

from typing import Any, Final

from app.settings import Settings

Schema = dict[str, Any]
DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """The schema, in draft 2020-12; a program that knows it needs nothing else of ours."""
    made = Settings.model_json_schema()
    definitions = {name: _plain(part) for name, part in made.pop("$defs", {}).items()}
    return {
        "$schema": DRAFT,
        **_plain(made),
        "title": "LMX Authority: settings",
        "description": "config.yaml in LMX_HOME. Everything may be left out.",
        "$defs": definitions,
    }


def _plain(part: Any) -> Any:
    """Without the titles that repeat a name, and with each text on one line."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain: Schema = {
        name: _properties(item) if name == "properties" else _plain(item)
        for name, item in part.items()
        if name != "title"
    }
    said = plain.get("description")
    return {**plain, "description": " ".join(said.split())} if isinstance(said, str) else plain


def _properties(named: Schema) -> Schema:
    return {name: _plain(item) for name, item in named.items()}
