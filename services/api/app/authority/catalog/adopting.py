"""Takes a model of another program into the catalog where it lies: hashed, never copied or written.

What the store gets is a view of names only: hard links where that program's cache is on the store's
volume, symbolic links elsewhere (docs/decisions/0014-adopted-models.md).
"""

import errno
import os
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from app.authority.catalog import records
from app.authority.catalog.blobs import Incoming
from app.authority.catalog.caches import Kept, KeptTree, Program, find, named, opened_kept
from app.authority.catalog.hashing import FILES_AT_ONCE, git_blob_of, hash_file
from app.authority.catalog.imported import imported
from app.authority.catalog.inspection import Inspected, inspect
from app.authority.catalog.intake import ImportProgress, Watch, steps
from app.authority.catalog.kinds import held_as
from app.authority.catalog.names import model_id as parse_model_id
from app.authority.catalog.signing import Admit, Beside, admit_all
from app.authority.catalog.store import Catalog
from app.authority.catalog.tree import Found, refuse
from app.authority.catalog.trust import judge
from app.authority.ledger.runs import Begun
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.domain.models import Artifact, CatalogModel, Manifest
from app.domain.refusals import IntakeRefused, ModelExists
from app.observability import recorded_path

_SHA256: Final = 64
_CANNOT_LINK: Final = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP)
_SET_PLACE: Final = text(
    "UPDATE artifact SET adopted_path = :place, known_by = :known_by"
    " WHERE model_id = :id AND path = :path"
)


@dataclass(frozen=True, slots=True)
class Lying:
    """A file where it lies, hashed. `known_by`: `sha256` or `git` where the cache's own name for it
    agreed, else `first_use`. `identity` says which file was hashed."""

    artifact: Artifact
    place: Path
    known_by: str
    identity: tuple[int, ...]


class Adopting:
    """Every method blocks and may be called from any thread."""

    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        clock: Clock,
        roots: Mapping[Program, tuple[Path, ...]],
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._clock = clock
        self._roots = roots

    def candidates(self) -> list[dict[str, Any]]:
        """What the usual caches hold, and why what cannot be adopted cannot; reads headers only."""
        return [self._candidate(kept) for kept in find(self._roots)]

    def adopt(
        self,
        grant: Grant,
        program: Program,
        what: str,
        *,
        name: str | None,
        progress: Callable[[ImportProgress], None],
        cancelled: Callable[[], bool],
        admit: Admit = admit_all,
    ) -> CatalogModel:
        """Record a model of another program. Raises IntakeRefused, ModelExists, LoadCancelled,
        SignatureInvalid, and what `admit` raises.

        `what` is the absolute path of its directory or its name in that program's usual cache.
        """
        require(grant, Permission.MODEL_ADOPT)
        kept = named(program, what, self._roots)
        model_id = parse_model_id(name or _id_of(kept), kept.directory)
        watch = Watch(progress, cancelled, self._clock)
        begun = Begun(self._clock.utc_us(), {"source": _source(kept), "program": str(program)})
        with self._catalog.entering(watch.stop_if_cancelled) as store, opened_kept(kept) as tree:
            found = inspect(tree)
            signed = Beside(tree, self._catalog.signers, admit)
            lying = _hash_all(tree, found.taken, watch)
            if inspect(tree) != found:
                refuse(str(kept.directory), "changed while it was read; let it come to rest")
            manifest = Manifest(tuple(sorted(file.artifact for file in lying)))
            self._refuse_known(model_id, manifest)
            model = self._described(model_id, kept, manifest, found)
            signature = signed.checked(model_id, manifest)
            with store.incoming() as work:
                linked = _link_all(work, lying)
                store.place_view(work, manifest.digest)
                held = _held(lying, linked)
                event = imported(
                    grant.actor, model, found.left_out, signature=signature, adopted=held
                )
                told = self._ledger.runs.told(
                    event, begun, ended_us=self._clock.utc_us(), policy=signed.policy
                )
                with self._ledger.recording(told) as connection:
                    records.insert_model(connection, model, manifest, found.shape)
                    records.set_signature(connection, model_id, signature)
                    connection.execute(_SET_PLACE, [_place(model_id, file) for file in lying])
                work.kept = True
            self._catalog.entered(model)
            return model

    def _candidate(self, kept: Kept) -> dict[str, Any]:
        why, size, files = None, 0, 0
        try:
            with opened_kept(kept) as tree:
                taken = inspect(tree).taken
            size, files = sum(file.size for file in taken), len(taken)
            parse_model_id(_id_of(kept), kept.directory)
        except IntakeRefused as refusal:
            why = refusal.message
        except OSError as error:
            why = f"It cannot be read ({error.strerror})."
        return {
            "program": str(kept.program),
            "name": kept.name,
            "path": str(kept.directory),
            "commit": kept.commit,
            "files": files,
            "size_bytes": size,
            "why_not": why,
            "adopted_as": self._adopted_as(kept),
        }

    def _adopted_as(self, kept: Kept) -> str | None:
        source = _source(kept)
        return next((m.id for m in self._catalog.list() if m.source == source), None)

    def _refuse_known(self, model_id: str, manifest: Manifest) -> None:
        """A view serves one model: the same bytes again get an alias, not a second place."""
        for known in self._catalog.list():
            if known.digest == manifest.digest:
                raise ModelExists(
                    f"The store has these files already, as {known.id}. Give it a further name: "
                    f"lmx models alias {known.id} NAME",
                    param="name",
                )
        if model_id in self._catalog.ids():
            raise ModelExists(
                f"{model_id} is in the catalog already, with other files. Adopt these under "
                "another name: --name PUBLISHER/NAME.",
                param="name",
            )

    def _described(
        self, model_id: str, kept: Kept, manifest: Manifest, found: Inspected
    ) -> CatalogModel:
        return CatalogModel(
            id=model_id,
            digest=manifest.digest,
            trust=judge(self._catalog.known.find(model_id), manifest),
            size_bytes=manifest.size_bytes,
            architecture=found.shape.architecture,
            max_context=found.shape.max_context,
            created=self._clock.utc_us() // 1_000_000,
            source=_source(kept),
            licence=found.licence,
        )


def _hash_all(tree: KeptTree, taken: tuple[Found, ...], watch: Watch) -> list[Lying]:
    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="adopt") as pool:
        order = sorted(taken, key=lambda file: -file.size)
        hashes = [pool.submit(_hash, tree, file, watch) for file in order]
        done, waiting = wait(hashes, return_when=FIRST_EXCEPTION)
        for hashing in waiting:
            hashing.cancel()
    for hashing in hashes:
        # What was stopped because another failed is not the reason that people are told.
        if hashing in done:
            hashing.result()
    return [hashing.result() for hashing in hashes]


def _hash(tree: KeptTree, file: Found, watch: Watch) -> Lying:
    with tree.open(file.path) as descriptor:
        sha256, size = hash_file(descriptor, steps(file, watch))
        status = os.fstat(descriptor)
        if (size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            refuse(file.path, "changed while it was read; let it come to rest and adopt again")
        said = tree.said(file.path)
        known_by = _agreement(descriptor, file.path, said, sha256)
    watch.progress(ImportProgress(file.path, size, size))
    place = tree.place(file.path)
    return Lying(Artifact(file.path, size, sha256), place, known_by, _identity(status))


def _agreement(descriptor: int, path: str, said: str | None, sha256: str) -> str:
    """How the bytes are known; a file that is not what its name in the cache says is refused."""
    if said is None:
        return "first_use"
    known_by = "sha256" if len(said) == _SHA256 else "git"
    found = sha256 if known_by == "sha256" else git_blob_of(descriptor)
    if found != said:
        refuse(path, f"is damaged: the cache calls it {said[:12]}, it is {found[:12]}")
    return known_by


def _link_all(work: Incoming, lying: list[Lying]) -> str:
    """A name in the view for each file, all of one kind; returns `hard` or `symbolic`."""
    try:
        for file in lying:
            os.link(file.place, _name(work, file), follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        for file in lying:
            _name(work, file).unlink(missing_ok=True)
            _name(work, file).symlink_to(file.place)
        return "symbolic"
    for file in lying:
        status = _name(work, file).lstat()
        if _identity(status) != file.identity:
            refuse(file.artifact.path, "was replaced while it was adopted; adopt it again")
    return "hard"


def _name(work: Incoming, file: Lying) -> Path:
    return work.view_directory / held_as(file.artifact.path)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Inode numbers are used again, so the time of the last change is a part of it."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _place(model_id: str, file: Lying) -> dict[str, str]:
    return {
        "id": model_id,
        "path": file.artifact.path,
        "place": str(file.place),
        "known_by": file.known_by,
    }


def _held(lying: list[Lying], linked: str) -> str:
    agreed = sum(file.known_by != "first_use" for file in lying)
    return f"{linked} links; {agreed} of {len(lying)} files as the cache names them"


def _id_of(kept: Kept) -> str:
    return kept.name if "/" in kept.name else f"local/{kept.name}"


def _source(kept: Kept) -> str:
    return f"{kept.program}: {recorded_path(kept.directory)}"[:1000]
