"""Models whose digests are known before anyone fetches them: `config/models.yaml`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.authority.catalog.names import MODEL_ID
from app.domain.models import Artifact, Manifest
from app.domain.refusals import StartRefused
from app.strict_yaml import UnreadableYaml, read_mapping

BUNDLED = "bundled"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model with its files; `path` is where a bundled one lies, inside the checkout."""

    id: str
    source: str
    path: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class KnownModels:
    models: tuple[KnownModel, ...]

    def find(self, model_id: str) -> KnownModel | None:
        return next((model for model in self.models if model.id == model_id), None)

    def bundled(self) -> tuple[KnownModel, ...]:
        """Those that ship with the project."""
        return tuple(model for model in self.models if model.source == BUNDLED)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _File(_Strict):
    path: Annotated[str, Field(pattern=r"^[^/\\]{1,200}$")]
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Model(_Strict):
    id: Annotated[str, Field(pattern=MODEL_ID)]
    source: Annotated[str, Field(min_length=1, max_length=500)]
    path: str = ""
    files: Annotated[list[_File], Field(min_length=1)]


class _Document(_Strict):
    version: Literal[1]
    models: list[_Model] = []


def known_models(paths: Iterable[Path]) -> KnownModels:
    """Read every file that exists; raises StartRefused that names every bad entry.

    A later file adds models. It cannot change one that an earlier file knows.
    """
    found: dict[str, KnownModel] = {}
    for path in paths:
        if not path.exists():
            continue
        for entry in _read(path).models:
            if entry.id in found:
                raise StartRefused(f"{path} names {entry.id}, which is known already. Remove it.")
            found[entry.id] = _known(entry, path)
    return KnownModels(tuple(found.values()))


def _read(path: Path) -> _Document:
    try:
        return _Document.model_validate(read_mapping(path))
    except UnreadableYaml as error:
        raise StartRefused(str(error)) from None
    except ValidationError as error:
        lines = (f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StartRefused(f"{path} cannot be used:\n" + "\n".join(lines)) from None


def _known(entry: _Model, path: Path) -> KnownModel:
    inside = PurePosixPath(entry.path)
    if inside.is_absolute() or ".." in inside.parts:
        raise StartRefused(f"{path}: the path of {entry.id} leads out of the checkout.")
    files = tuple(sorted(Artifact(f.path, f.size, f.sha256) for f in entry.files))
    if len({file.path for file in files}) != len(files):
        raise StartRefused(f"{path}: {entry.id} lists a file twice.")
    return KnownModel(entry.id, entry.source, entry.path, Manifest(files))
