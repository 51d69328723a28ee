"""Finds what of a model in the store is damaged, and puts files that are right in its place.

A blob that several models share is damaged, and repaired, for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from app.authority.catalog import records
from app.authority.catalog.fetching import disk_errors_refused
from app.authority.catalog.intake import Watch
from app.authority.catalog.store import Catalog
from app.authority.catalog.verification import WrongBytes
from app.authority.permissions import Grant, Permission, require
from app.domain.actors import Actor
from app.domain.models import Artifact
from app.domain.refusals import DigestMismatch, PlanStale


@dataclass(frozen=True, slots=True)
class Damage:
    """What of a model is not as it was taken in. `lost`: files whose bytes the store has nowhere.

    `foreign` are names in its directory that do not belong there.
    """

    digest: str
    wrong: tuple[Artifact, ...] = ()
    lost: tuple[Artifact, ...] = ()
    foreign: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wrong or self.foreign)


class Repairing:
    """Every method blocks and may be called from any thread."""

    def __init__(self, catalog: Catalog, engine: Engine) -> None:
        self._catalog = catalog
        self._engine = engine

    def adopted(self, model_id: str) -> bool:
        """Whether files of it are another program's."""
        with self._engine.connect() as connection:
            return bool(records.adopted(connection, model_id))

    def damage(self, model_id: str, actor: Actor, watch: Watch | None = None) -> Damage:
        """Read every byte of the model, as a verification does, and record what was found."""
        digest = self._catalog.get(model_id).digest
        try:
            self._catalog.verify(model_id, full=True, actor=actor, watch=watch)
        except DigestMismatch as mismatch:
            found = mismatch.__cause__
            if not isinstance(found, WrongBytes):
                raise
        else:
            return Damage(digest)
        named = {each.path for each in found.wrong if not each.foreign}
        wrong = tuple(a for a in self._catalog.manifest(model_id).artifacts if a.path in named)
        return Damage(
            digest,
            wrong,
            tuple(a for a in wrong if not self._catalog.store.holds(a.sha256)),
            tuple(each.path for each in found.wrong if each.foreign),
        )

    def put_right(
        self,
        grant: Grant,
        model_id: str,
        damage: Damage,
        files: Mapping[str, Path],
        check: Callable[[], None],
    ) -> list[str]:
        """Put `files`, by the paths of what was lost, and the model's names in place.

        Returns the other models that share a damaged blob. Raises PlanStale, IntakeRefused and
        DiskFull; whether all is right afterwards, a verification says.
        """
        require(grant, Permission.MODEL_REPAIR)
        size = sum(artifact.size for artifact in damage.lost)
        with self._catalog.entering(check) as store, disk_errors_refused(size, store.bytes_free):
            if self._catalog.get(model_id).digest != damage.digest:
                raise PlanStale(f"{model_id} is another model now. Nothing was changed.")
            with self._engine.connect() as connection:
                sharing = records.holding(connection, {a.sha256 for a in damage.wrong})
            with store.incoming() as work:
                store.replace(work, {a.sha256: files[a.path] for a in damage.lost})
                store.relink(work, damage.digest, damage.wrong, damage.foreign)
                others = {m: a for m, a in sharing.items() if m != model_id}
                for other, artifacts in others.items():
                    digest = self._catalog.get(other).digest
                    if digest != damage.digest:
                        store.relink(work, digest, artifacts, ())
                work.kept = True
            return sorted(others)
