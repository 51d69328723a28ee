"""What one pull would do, as a value with a digest, and the plans that were shown lately."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from app.authority.catalog.gguf_files import set_name
from app.authority.catalog.known import KnownModel
from app.authority.catalog.names import MODEL_ID
from app.authority.catalog.picking import Picked, left_out, pick
from app.authority.catalog.publishing import BY_GIT, BY_SHA256, Origin, expected_trust
from app.authority.ports import Clock, Hub
from app.domain.actors import Actor
from app.domain.hub import HubFile, HubRevision
from app.domain.models import Trust
from app.domain.refusals import HubRefused, InvalidRequest, PlanStale
from app.domain.shapes import ModelShape

TYPE: Final = "lmx-authority/pull/v1"
DEFAULT_REVISION: Final = "main"
KEPT_S: Final = 900.0
KEPT: Final = 32

T = TypeVar("T")

_ID: Final = re.compile(MODEL_ID.removesuffix("$"))
_CHOICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")


@dataclass(frozen=True, slots=True)
class Planned:
    """`files` are what is fetched, each with the digest that is expected of it."""

    at: HubRevision
    name: str
    actor_id: str
    files: tuple[HubFile, ...]
    held: bool
    signature: HubFile | None
    source: str
    document: Mapping[str, Any]
    choice: str | None = None

    @classmethod
    def of(
        cls,
        at: HubRevision,
        *,
        asked: str,
        name: str,
        actor: Actor,
        hub: Hub,
        known: KnownModel | None,
        held: bool,
        choice: str | None = None,
    ) -> "Planned":
        """Raises HubRefused for a listing that cannot be used, or that contradicts `known`."""
        picked = pick(at, choice)
        if known is not None:
            picked = _as_known(at, picked, known)
        document = {
            "type": TYPE,
            "asked_by": actor.id,
            "repo": at.repo,
            "revision": asked,
            "commit": at.commit,
            "name": name,
            "endpoint": hub.endpoint,
            "hosts": list(hub.hosts),
            "sent": sent(hub),
            "files": [listed(file) for file in picked.taken],
            "size_bytes": picked.size_bytes,
            "signature": None if picked.signature is None else listed(picked.signature),
            "left_out": list(picked.left_out),
            "trust": str(Trust.VERIFIED if known else expected_trust(_known_by(picked.taken))),
            "licence": at.licence or None,
            "quantization": None,
            "here_already": held,
            **_chosen(choice),
        }
        return cls(
            at,
            name,
            actor.id,
            picked.taken,
            held,
            picked.signature,
            source=f"{hub.endpoint}/{at.repo}@{at.commit}",
            document=document,
            choice=choice,
        )

    @property
    def bytes(self) -> bytes:
        """The document's canonical bytes: what is shown, confirmed and kept."""
        return json.dumps(self.document, sort_keys=True, separators=(",", ":")).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of `bytes`."""
        return hashlib.sha256(self.bytes).hexdigest()

    @property
    def asked(self) -> dict[str, Any]:
        """What somebody asked for; all that follows from it is in the plan."""
        asked = {name: self.document[name] for name in ("repo", "revision", "name")}
        return {**asked, **_chosen(self.choice)}

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def origin(self) -> Origin:
        """Where the model is from, once it was fetched."""
        at = self.at
        return Origin(at.repo, at.commit, self.source, _known_by(self.files), at.licence)

    def facts(self) -> dict[str, Any]:
        """What policy is told, and what an ask for this pull is made with."""
        return asked_for(self.at.repo, self.at.commit, self.name, self.choice)

    def about(self) -> dict[str, Any]:
        """What guardrails can look at besides: what would be fetched, from whom."""
        said = {name: self.document.get(name) for name in ("licence", "quantization")}
        return {"repo": self.at.repo, "files": [listed(file) for file in self.files], **said}

    def with_shape(self, shape: ModelShape) -> "Planned":
        """The plan, once the headers were read."""
        return replace(self, document={**self.document, "quantization": shape.quantized_as})


class Plans(Generic[T]):
    """The newest plans, each for whoever asked for it and for a while. On the event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Planned, T]] = {}

    def keep(self, planned: Planned, looked: T) -> None:
        """`looked`: what was found with it, for whoever goes on."""
        self._kept.pop(planned.digest, None)
        self._kept[planned.digest] = (self._clock.monotonic() + KEPT_S, planned, looked)
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def get(self, digest: str, actor: Actor) -> tuple[Planned, T]:
        """Raise PlanStale for a plan that is unknown, too old or somebody else's."""
        until, planned, looked = self._kept.get(digest) or (0.0, None, None)
        fresh = planned is not None and self._clock.monotonic() < until
        if planned is None or looked is None or not fresh or planned.actor_id != actor.id:
            raise PlanStale(
                "There is no such plan for this key, or it is older than a quarter of an hour. "
                "Nothing was fetched. Plan it again: lmx models pull, or verify --repair, does."
            )
        return planned, looked


def repo_of(repo: str) -> str:
    """`ORG/NAME` as the hub knows it. Raises InvalidRequest."""
    if not _ID.fullmatch(repo) or ".." in repo or "--" in repo or repo.endswith(".git"):
        raise InvalidRequest(
            f"{repo[:200]!a} is not a repository's name on a hub: they read ORG/NAME.", param="repo"
        )
    return repo


def revision_of(revision: str | None) -> str:
    """A branch, a tag or a commit. Raises InvalidRequest."""
    if revision is None:
        return DEFAULT_REVISION
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise InvalidRequest(
            f"{revision[:200]!a} is no revision: give a branch, a tag or a commit.",
            param="revision",
        )
    return revision


def choice_of(repo: str) -> tuple[str, str | None]:
    """`ORG/NAME:CHOICE` is one model of several in GGUF: its file, or how it is quantized.

    Raises InvalidRequest.
    """
    plain, colon, choice = repo.partition(":")
    if not colon:
        return repo_of(repo), None
    if not _CHOICE.fullmatch(choice):
        raise InvalidRequest(
            f"{choice[:200]!a} names no file of a repository: give one, or a quantization such as "
            "Q4_K_M.",
            param="repo",
        )
    return repo_of(plain), choice


def name_of(name: str | None, repo: str, choice: str | None = None) -> str:
    """What the model is called here; one of several has its own name. Raises InvalidRequest."""
    if name is None and choice is not None:
        chosen = set_name(choice)
        name = f"{repo.partition('/')[0]}/{chosen}" if chosen != choice else f"{repo}-{choice}"
    if name is None:
        return repo
    if not _ID.fullmatch(name):
        raise InvalidRequest(
            f"{name[:200]!a} cannot be a model's name: they read PUBLISHER/NAME.", param="name"
        )
    return name


def asked_for(repo: str, revision: str, name: str, choice: str | None) -> dict[str, str]:
    """The names that a pull is asked for by."""
    return {"repo": repo, "revision": revision, "name": name, **_chosen(choice)}


def _chosen(choice: str | None) -> dict[str, str]:
    return {} if choice is None else {"choice": choice}


def sent(hub: Hub) -> list[str]:
    who = (
        "the operator's token, to the endpoint only"
        if hub.sends_token
        else "no token, and nothing else about you, your prompts or your files"
    )
    return [
        "the repository's name, the revision and the names of the files below",
        "this machine's network address, and that LMX Authority asks, with its version",
        who,
    ]


def _as_known(at: HubRevision, picked: Picked, known: KnownModel) -> Picked:
    """Exactly the files that are known, by their known digests; nothing else is fetched."""
    listed = {file.path: file for file in picked.taken}
    taken = []
    for artifact in known.manifest.artifacts:
        file = listed.get(artifact.path)
        said = None if file is None else (file.size, file.sha256 or artifact.sha256)
        if file is None or said != (artifact.size, artifact.sha256):
            raise HubRefused(
                f"{artifact.path} of {at.repo} at {at.commit[:12]} is not what {known.id} is known "
                "to hold. Nothing was fetched. Pull another revision, or under another name."
            )
        taken.append(replace(file, sha256=artifact.sha256, git_blob=None))
    paths = {file.path for file in taken}
    if picked.signature is not None:
        paths.add(picked.signature.path)
    return Picked(tuple(taken), left_out(at, paths), picked.signature)


def _known_by(files: tuple[HubFile, ...]) -> dict[str, str]:
    return {file.path: BY_GIT if file.sha256 is None else BY_SHA256 for file in files}


def listed(file: HubFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "git_blob": file.git_blob,
    }
