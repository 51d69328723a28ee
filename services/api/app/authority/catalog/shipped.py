"""Files that ship with the project, as a `Hub` that asks nobody: models are repaired from them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.authority.catalog.known import KnownModels
from app.authority.catalog.tree import opened, read_exactly
from app.domain.hub import HubFile, HubRevision
from app.domain.refusals import HubRefused

PIECE: Final = 4 << 20


class Shipped:
    """Bundled models below `checkout`. Their name is their repository, their digest the commit."""

    def __init__(self, checkout: Path, known: KnownModels) -> None:
        self._checkout = checkout
        self._bundled = {model.id: model for model in known.bundled()}

    def has(self, model_id: str, digest: str) -> bool:
        """Whether exactly this ships with the project."""
        found = self._bundled.get(model_id)
        return found is not None and found.manifest.digest == digest

    @property
    def endpoint(self) -> str:
        return "the files that came with LMX Authority"

    @property
    def hosts(self) -> tuple[str, ...]:
        return ()

    @property
    def sends_token(self) -> bool:
        return False

    def resolve(self, repo: str, revision: str, check: Callable[[], None]) -> HubRevision:
        check()
        found = self._bundled.get(repo)
        if found is None or found.manifest.digest != revision:
            raise HubRefused(f"{repo} does not ship with this version of LMX Authority.")
        files = (HubFile(a.path, a.size, a.sha256) for a in found.manifest.artifacts)
        return HubRevision(repo, revision, tuple(files))

    def read(self, at: HubRevision, file: HubFile, begin: int, end: int) -> bytes:
        with self._opened(at, file) as descriptor:
            return read_exactly(descriptor, end - begin, begin)

    def fetch(
        self,
        at: HubRevision,
        file: HubFile,
        begin: int,
        sink: Callable[[bytes], None],
        check: Callable[[], None],
    ) -> None:
        with self._opened(at, file) as descriptor:
            if os.fstat(descriptor).st_size != file.size:
                raise HubRefused(
                    f"{file.path} of {at.repo} is damaged where it came with LMX Authority too. "
                    "Get that directory again, then repair."
                )
            while begin < file.size:
                check()
                piece = read_exactly(descriptor, min(PIECE, file.size - begin), begin)
                if not piece:
                    raise HubRefused(f"{file.path} of {at.repo} was cut while it was read.")
                sink(piece)
                begin += len(piece)

    @contextmanager
    def _opened(self, at: HubRevision, file: HubFile) -> Iterator[int]:
        directory = self._checkout / self._bundled[at.repo].path
        with opened(directory) as tree, tree.open(file.path) as descriptor:
            yield descriptor
