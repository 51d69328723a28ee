"""How far a model's bytes are trusted when it enters: known beforehand, or taken as they are."""

from app.authority.catalog.known import KnownModel
from app.domain.models import Manifest, Trust
from app.domain.refusals import IntakeRefused


def judge(known: KnownModel | None, manifest: Manifest) -> Trust:
    """`verified` when the digests are the known ones, `pinned` when nobody knows any.

    Raises IntakeRefused for other bytes under a known name: they are never pinned.
    """
    if known is None:
        return Trust.PINNED
    if known.manifest.digest == manifest.digest:
        return Trust.VERIFIED
    path = _first_difference(known.manifest, manifest)
    raise IntakeRefused(
        f"{path} is not what {known.id} is known to hold. Get the model again, or import these "
        "files under another name.",
        details={"path": path},
    )


def _first_difference(known: Manifest, found: Manifest) -> str:
    return min(set(known.artifacts) ^ set(found.artifacts)).path
