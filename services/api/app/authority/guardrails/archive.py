"""Everything that ever decided, by its binding hash: what records are decided again with."""

from collections.abc import Iterator, Mapping

from app.authority.guardrails.binding import Bound, bind
from app.authority.guardrails.standing import Standing, definition_of


class Archive(Mapping[str, Bound]):
    """Read when it is asked for, and remembered: decisions of the same rules follow each other.

    A definition that does not carry its own hashes raises AuditUnavailable.
    """

    def __init__(self, standing: Standing) -> None:
        self._store = standing.store
        self._known = standing.known()
        self._found: dict[str, Bound] = {}

    def __getitem__(self, binding_hash: str) -> Bound:
        found = self._found.get(binding_hash)
        if found is None:
            row = self._store.by_binding(binding_hash)
            if row is None:
                raise KeyError(binding_hash)
            found = self._found[binding_hash] = bind(definition_of(row), self._known)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.binding_hashes())

    def __len__(self) -> int:
        return len(self._store.binding_hashes())
