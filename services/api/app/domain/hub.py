"""A model on a hub as the hub lists it: what it says, before anybody has checked a byte."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a revision. Sizes in bytes.

    `sha256` is of its bytes, where the hub keeps it as a large file; `git_blob` is git's own id of
    its bytes (SHA-1, hex), where it is kept in the repository. One of them, or neither.
    """

    path: str
    size: int
    sha256: str | None = None
    git_blob: str | None = None


@dataclass(frozen=True, slots=True)
class HubRevision:
    """All files of a repository at one commit (40 hex digits), which never changes.

    `licence` is what its author says, as `licences.claimed` gives it; empty: unknown.
    """

    repo: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str = ""
