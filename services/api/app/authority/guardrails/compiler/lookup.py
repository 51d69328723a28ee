"""Every look into the document, recorded: what a resolution depends on. Pure.

A path is recorded whether something is there or not. A section's path stands for all that is in it.
What vocabulary says (whose phrases are there) is not: that is in the intent's words.
"""

from collections.abc import Mapping
from typing import Any

from app.authority.guardrails.document.model import Document


class Lookup:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.reads: set[str] = set()

    def at(self, *path: str) -> Any:
        """What stands there; None for what is not there, as for what is null."""
        self.reads.add("/".join(path))
        value: Any = self.document
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
            if value is None:
                return None
        return value

    def has(self, *path: str) -> bool:
        """Whether a mapping has the key, be it null."""
        *above, last = path
        self.reads.add("/".join(path))
        section: Any = self.document
        for step in above:
            section = (
                section.get(step) if isinstance(section, Mapping) else getattr(section, step, None)
            )
            if section is None:
                return False
        return last in section
