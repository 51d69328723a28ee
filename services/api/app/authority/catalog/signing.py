"""Looks for the signature beside a model's files when they are taken in from this machine."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from app.authority.catalog import signatures
from app.authority.catalog.signatures import Signature, Signed, Signer
from app.authority.catalog.tree import Tree
from app.domain.models import Manifest
from app.domain.refusals import SignatureInvalid

Admit = Callable[[Signature], Mapping[str, Any] | None]
"""Asked when it is known what the signature is worth, before anything is placed. Raises; else the
decision, as it is recorded."""


def admit_all(_: Signature) -> None:
    """For what ships with the project: nobody is asked."""


class Beside:
    """The signature in an open directory, read once.

    Without one there is nothing to wait for: `admit` is asked at once, before a byte is copied.
    `policy` is what it decided.
    """

    def __init__(self, tree: Tree, signers: Callable[[], Sequence[Signer]], admit: Admit) -> None:
        self._signers = signers
        self._admit = admit
        self._content: bytes | None = None
        self.policy: Mapping[str, Any] | None = None
        if signatures.NAME in tree.names():
            self._content = tree.read(signatures.NAME, limit=signatures.MAX_BYTES)
        else:
            self.policy = admit(Signature(Signed.ABSENT))

    def checked(self, model_id: str, manifest: Manifest) -> Signature:
        """What it is worth for these files. Raises SignatureInvalid and what `admit` raises."""
        if self._content is None:
            return Signature(Signed.ABSENT)
        found = signatures.check(self._content, manifest, self._signers())
        if found.status is Signed.INVALID:
            raise SignatureInvalid(
                f"The signature of {model_id} {found.why}. Nothing was taken in. Get the model "
                "again, or ask whoever published it."
            )
        self.policy = self._admit(found)
        return found
