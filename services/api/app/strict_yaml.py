"""Reads YAML documents of this project: no duplicate keys, and every complaint names its line."""

from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 1 << 20


class UnreadableYaml(ValueError):
    """The document cannot be used; the message says where and why."""


class _NoDuplicates(yaml.SafeLoader):
    """The safe loader, which would silently take the last of two equal keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value} is set twice", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_mapping(path: Path) -> dict[str, Any]:
    """The document at `path`, {} for an empty one; raises UnreadableYaml."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableYaml(f"{path} is larger than {MAX_BYTES} bytes.")
        loaded = yaml.load(path.read_text("utf-8"), Loader=_NoDuplicates)  # noqa: S506 - safe
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UnreadableYaml(f"{path} cannot be read: {error}") from None
    except RecursionError:
        raise UnreadableYaml(f"{path} is nested too deeply.") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UnreadableYaml(f"{path} must be a mapping of names to values.")
    return loaded
