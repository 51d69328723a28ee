"""The only place that turns a requested name into a model: exact ids, and aliases.

There is no "the loaded one": a name that is neither an id nor an alias is refused.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.domain.models import ALIAS
from app.domain.refusals import ModelNotFound, StartRefused
from app.strict_yaml import UnreadableYaml, read_mapping

Alias = Annotated[str, Field(pattern=ALIAS)]
ModelId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$")
]


@dataclass(frozen=True, slots=True)
class Route:
    """The model to answer with and, for an alias, those to try when it cannot be loaded."""

    model_id: str
    fallbacks: tuple[str, ...] = ()


class _Document(BaseModel):
    """`routing.yaml`. An alias has no slash and a model id has one, so neither hides the other,
    and an alias can never lead to an alias."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    aliases: Mapping[Alias, Annotated[tuple[ModelId, ...], Field(min_length=1)]] = {}


@dataclass(frozen=True, slots=True)
class Routing:
    """The aliases of one file, and those that people give to models while the server runs.

    A name that both give is the file's.
    """

    written: Mapping[str, tuple[str, ...]]
    given: Callable[[], Mapping[str, tuple[str, ...]]] = field(default=dict)

    @property
    def aliases(self) -> Mapping[str, tuple[str, ...]]:
        """Every alias and the models it leads to, the first choice first."""
        return {**self.given(), **self.written}

    def resolve(self, name: str, catalog_ids: Collection[str]) -> Route:
        """The route for `name`; raises ModelNotFound, which names what comes closest."""
        if name in catalog_ids:
            return Route(name)
        chain = tuple(i for i in self.aliases.get(name, ()) if i in catalog_ids)
        if chain:
            return Route(chain[0], chain[1:])
        raise ModelNotFound(self._unknown(name, catalog_ids), param="model")

    def routes(self, catalog_ids: Collection[str]) -> list[tuple[str, str]]:
        """Every alias that leads somewhere, with the model it leads to first."""
        found = (
            (alias, next((i for i in chain if i in catalog_ids), None))
            for alias, chain in sorted(self.aliases.items())
        )
        return [(alias, model_id) for alias, model_id in found if model_id is not None]

    def aliases_of(self, model_id: str) -> list[str]:
        """Names under which `model_id` may answer."""
        return sorted(alias for alias, chain in self.aliases.items() if model_id in chain)

    def _unknown(self, name: str, catalog_ids: Collection[str]) -> str:
        shown = name[:120]
        if name in self.aliases:
            missing = ", ".join(self.aliases[name])
            return f"The alias '{shown}' leads to {missing}, which was never imported."
        close = difflib.get_close_matches(shown, [*catalog_ids, *self.aliases], n=3)
        hint = f" Closest: {', '.join(close)}." if close else ""
        return f"No model or alias is called '{shown}'.{hint} lmx models ls lists them."


def load_routing(path: Path) -> Routing:
    """Read `path`; raises StartRefused that names every bad entry."""
    try:
        document = _Document.model_validate(read_mapping(path))
    except UnreadableYaml as error:
        raise StartRefused(str(error)) from None
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StartRefused(f"{path} cannot be used:\n" + "\n".join(lines)) from None
    for alias, chain in document.aliases.items():
        if len(set(chain)) != len(chain):
            raise StartRefused(f"{path}: the alias {alias} names a model twice.")
    return Routing(dict(document.aliases))
