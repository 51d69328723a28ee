"""The catalog: every model the store holds, imported, listed, and verified before each load."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine

from app.authority.catalog import records
from app.authority.catalog.blobs import BlobStore, Incoming
from app.authority.catalog.gguf_files import opened_model
from app.authority.catalog.imported import imported
from app.authority.catalog.inspection import Inspected, inspect
from app.authority.catalog.intake import (
    Copied,
    ImportProgress,
    Watch,
    check_space,
    copy_all,
    disk_errors_refused,
)
from app.authority.catalog.known import KnownModels
from app.authority.catalog.names import model_id as parse_model_id
from app.authority.catalog.signatures import Signature, Signer
from app.authority.catalog.signing import Admit, Beside, admit_all
from app.authority.catalog.survey import Owner
from app.authority.catalog.tree import opened
from app.authority.catalog.trust import judge
from app.authority.catalog.verifying import Verifying
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.runs import Begun
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.domain.actors import SYSTEM, Actor
from app.domain.models import CatalogModel, Manifest, Trust
from app.domain.refusals import ModelExists, ModelNotFound
from app.domain.shapes import ModelShape
from app.observability import recorded_path

WAIT_S: Final = 0.2
_ASKED: Final = ("change", "name", "after")
"""What somebody wanted of a change: the rest of its event is what came of it."""


class Catalog:
    """Every method may be called from any thread. `get` and `ids` read no disk."""

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        *,
        clock: Clock,
        store_dir: Path,
        known: KnownModels,
        signers: Callable[[], Sequence[Signer]] = tuple,
    ) -> None:
        self.known = known
        self.signers = signers
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._store = BlobStore(store_dir)
        self._store.prepare()
        self._changing = threading.Lock()
        self._manifests: dict[str, Manifest] = {}
        with engine.connect() as connection:
            self._models = {model.id: model for model in records.models(connection)}
        self._verifying = Verifying(ledger, engine, clock, self._store, known, changed=self.refresh)

    @property
    def store(self) -> BlobStore:
        return self._store

    # --- reading ----------------------------------------------------------------------------

    def list(self) -> list[CatalogModel]:
        """Every model, by id."""
        return sorted(self._models.copy().values(), key=lambda model: model.id)

    def ids(self) -> set[str]:
        return set(self._models)

    def came(self) -> dict[str, int]:
        """When each model came, in seconds of UTC, by its id."""
        return {model.id: model.created for model in self._models.copy().values()}

    def get(self, model_id: str) -> CatalogModel:
        """The model with exactly this id. Raises ModelNotFound."""
        found = self._models.get(model_id)
        if found is None:
            raise ModelNotFound(
                f"No model is called '{model_id[:200]}'. lmx models ls lists them; "
                "lmx models import DIR adds one.",
                param="model",
            )
        return found

    def manifest(self, model_id: str) -> Manifest:
        digest = self.get(model_id).digest
        if digest not in self._manifests:
            with self._engine.connect() as connection:
                self._manifests[digest] = records.manifest(connection, model_id)
        return self._manifests[digest]

    def generation(self, model_id: str) -> int:
        """Raised by every change to the model: a plan that names another one is stale."""
        with self._engine.connect() as connection:
            return records.generation(connection, model_id)

    def origin(self, model_id: str) -> dict[str, str | None]:
        """`repo`, `revision`, `signature` and `signer`: where it came from, and by whose word."""
        self.get(model_id)
        with self._engine.connect() as connection:
            return records.origin(connection, model_id)

    def shape(self, model_id: str) -> ModelShape:
        self.get(model_id)
        with self._engine.connect() as connection:
            return records.shape(connection, model_id)

    def verified_us(self, model_id: str) -> int | None:
        """When its files were last hashed and found right, by the oldest; None: not all were."""
        self.get(model_id)
        with self._engine.connect() as connection:
            return records.verified_us(connection, model_id)

    def is_adopted(self, model_id: str) -> bool:
        """Whether files of it lie where another program keeps them."""
        self.get(model_id)
        with self._engine.connect() as connection:
            return bool(records.adopted(connection, model_id))

    def owners(self) -> Iterator[Owner]:
        """Every model with the blobs it needs, for whoever counts them."""
        with self._engine.connect() as connection:
            yield from records.owners(connection)

    # --- verification -----------------------------------------------------------------------

    def verify(
        self,
        model_id: str,
        full: bool = False,
        *,
        actor: Actor = SYSTEM,
        watch: Watch | None = None,
    ) -> Path:
        """The directory to load from, once every file in it is what was imported.

        `full` reads every file again whatever its receipt says, also of a model that is in
        quarantine: one whose bytes are right again leaves it. Raises NotLoadable, DigestMismatch,
        and LoadCancelled where the watch says so.
        """
        return self._verifying.verify(
            self.get(model_id), self.manifest(model_id), full=full, actor=actor, watch=watch
        )

    def watch(
        self, progress: Callable[[ImportProgress], None], cancelled: Callable[[], bool]
    ) -> Watch:
        """For whoever follows a verification, and may end it."""
        return Watch(progress, cancelled, self._clock)

    # --- change ---------------------------------------------------------------------------

    @contextmanager
    def changing(self, event: LedgerEvent, model_id: str) -> Iterator[Connection]:
        """One transaction for a change of what is known of a model, with its event.

        Raises ModelNotFound for one that was deleted meanwhile; then nothing is changed.
        """
        now_us = self._clock.utc_us()
        inputs = {name: event.data[name] for name in _ASKED if name in event.data}
        told = self._ledger.runs.told(event, Begun(now_us, inputs), ended_us=now_us)
        with self._ledger.recording(told) as connection:
            if not records.next_generation(connection, model_id):
                self._models.pop(model_id, None)
            self.get(model_id)
            yield connection
        self.refresh(model_id)

    def refresh(self, model_id: str) -> None:
        """Know of a model what its row says now, after a deletion or a restore changed it."""
        with self._engine.connect() as connection:
            found = records.model(connection, model_id)
        if found is None:
            self._models.pop(model_id, None)
        else:
            self._models[model_id] = found

    @property
    def placing(self) -> threading.Lock:
        """Held by whoever places files in the store or takes them out, one at a time."""
        return self._changing

    # --- intake -----------------------------------------------------------------------------

    def sweep(self) -> None:
        """Take back what imports that were killed had placed. Called once, at start."""
        if not self._store.interrupted():
            return
        manifests = [self.manifest(model_id) for model_id in self.ids()]
        self._store.sweep(
            {manifest.digest for manifest in manifests},
            {artifact.sha256 for manifest in manifests for artifact in manifest.artifacts},
        )

    def import_directory(
        self,
        grant: Grant,
        directory: Path,
        name: str | None,
        progress: Callable[[ImportProgress], None],
        cancelled: Callable[[], bool],
        *,
        admit: Admit = admit_all,
    ) -> CatalogModel:
        """Take a directory's files or a GGUF file in and record them; leaves nothing if it fails.

        The operator's import is the confirmation that pins a model nobody knew beforehand. The same
        bytes under the same name are taken as they are; other bytes raise ModelExists. Raises
        IntakeRefused, DiskFull, LoadCancelled, SignatureInvalid, and what `admit` raises.
        """
        require(grant, Permission.MODEL_IMPORT)
        model_id = parse_model_id(name, directory)
        watch = Watch(progress, cancelled, self._clock)
        begun = Begun(self._clock.utc_us(), {"source": recorded_path(directory)[:1000]})
        with self.entering(watch.stop_if_cancelled), opened_model(directory) as tree:
            found = inspect(tree)
            signed = Beside(tree, self.signers, admit)
            check_space(found.taken, bytes_free=self._store.bytes_free())
            with (
                disk_errors_refused(found.taken, self._store.bytes_free),
                self._store.incoming() as work,
            ):
                copied = copy_all(tree, found.taken, work, watch)
                return self._keep(
                    model_id,
                    work,
                    copied,
                    actor=grant.actor,
                    directory=directory,
                    found=found,
                    signature=signed.checked(model_id, copied.manifest),
                    begun=begun,
                    policy=signed.policy,
                )

    @contextmanager
    def entering(self, check: Callable[[], None]) -> Iterator[BlobStore]:
        """The store, for one intake at a time; `check` may raise while others are at it."""
        while not self._changing.acquire(timeout=WAIT_S):
            check()
        try:
            yield self._store
        finally:
            self._changing.release()

    def entered(self, model: CatalogModel) -> None:
        """A model's row was written by `publishing`."""
        self._models[model.id] = model

    def _keep(
        self,
        model_id: str,
        work: Incoming,
        copied: Copied,
        *,
        actor: Actor,
        directory: Path,
        found: Inspected,
        signature: Signature,
        begun: Begun,
        policy: Mapping[str, Any] | None,
    ) -> CatalogModel:
        held = self._models.get(model_id)
        if held is not None and held.digest != copied.manifest.digest:
            raise ModelExists(
                f"{model_id} is in the catalog already, with other files. Import these under "
                "another name: --name PUBLISHER/NAME.",
                param="name",
            )
        if held is not None and held.trust.loadable:
            return held
        known = self.known.find(model_id)
        trust = judge(known, copied.manifest)
        # What counts is what was stored, not what lay there when the directory was walked.
        with opened(work.view_directory) as tree:
            inspected = inspect(tree)
        source = known.source if known else recorded_path(directory)[:1000]
        # The card beside a model is not stored with it, so what it said is what was found there.
        inspected = replace(inspected, licence=found.licence)
        model = self._described(model_id, source, trust, copied.manifest, inspected)
        if held is not None:
            model = replace(held, trust=trust)
        self._store.place(work, copied.manifest, copied.files)
        event = imported(actor, model, found.left_out, signature=signature)
        ended = self._ledger.runs.told(event, begun, ended_us=self._clock.utc_us(), policy=policy)
        with self._ledger.recording(ended) as connection:
            if held is None:
                records.insert_model(connection, model, copied.manifest, inspected.shape)
            else:
                records.set_trust(connection, model_id, trust)
            records.set_signature(connection, model_id, signature)
        work.kept = True
        self._models[model_id] = model
        return model

    def _described(
        self, model_id: str, source: str, trust: Trust, manifest: Manifest, inspected: Inspected
    ) -> CatalogModel:
        return CatalogModel(
            id=model_id,
            digest=manifest.digest,
            trust=trust,
            size_bytes=manifest.size_bytes,
            architecture=inspected.shape.architecture,
            max_context=inspected.shape.max_context,
            created=self._clock.utc_us() // 1_000_000,
            source=source,
            licence=inspected.licence,
        )
