"""What a hub's answers mean: only plain, bounded values and refusals come out of here."""

import re
from typing import TYPE_CHECKING, Any, Final

from app.domain.hub import HubFile, HubRevision
from app.domain.licences import claimed
from app.domain.refusals import HubRefused

if TYPE_CHECKING:
    import httpx2

AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LICENCE_TAG: Final = "license:"
_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


class Again(Exception):
    """This may end otherwise when it is tried again."""


def starts_at(answer: "httpx2.Response", file: HubFile, begin: int, end: int) -> int:
    """Where in the file the answer begins. Raises HubRefused when it is about another file."""
    if answer.status_code == 200:
        told = answer.headers.get("content-length", "")
        if told and told != str(file.size):
            raise _other_size(file, told)
        return 0
    if answer.status_code != 206:
        raise of_status(answer.status_code, file.path)
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found is None:
        raise HubRefused(f"The hub does not say which part of {file.path} it sends.")
    first, last, total = map(int, found.groups())
    if total != file.size:
        raise _other_size(file, str(total))
    if first != begin or last > end - 1:
        raise HubRefused(f"The hub sends another part of {file.path} than it was asked for.")
    return first


def _other_size(file: HubFile, told: str) -> HubRefused:
    return HubRefused(
        f"The hub listed {file.path} with {file.size} bytes, but now says {told[:20]}. Nothing of "
        "it is used. Pull again; if it stays so, ask whoever published it.",
        details={"path": file.path},
    )


def of_status(status: int, what: str) -> Exception:
    if status in AGAIN:
        return Again(f"{what}: status {status}")
    if status in {401, 403}:
        return wants_token(what)
    return HubRefused(f"The hub answers about {what} with status {status}. Nothing was fetched.")


def wants_token(what: str) -> HubRefused:
    return HubRefused(
        f"The hub wants to know who asks before it gives {what}. Accept its terms there, put a "
        "token into a file, and name that file as hub.token_file in config.yaml."
    )


def plain_bytes_only(answer: "httpx2.Response") -> None:
    if answer.headers.get("content-encoding", "identity").lower() != "identity":
        raise HubRefused("The hub packs its answer though it was asked not to: it is not unpacked.")


def revision_of(repo: str, asked: str, found: Any) -> HubRevision:
    """Only plain, bounded values come out of here; anything else raises."""
    commit = found.sha
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise ValueError("no commit")
    if _COMMIT.fullmatch(asked) and commit != asked:
        raise HubRefused(
            f"The hub was asked for {asked[:12]} of {repo} and answers {commit[:12]}. A commit "
            "never changes, so nothing of it is used."
        )
    # Names are the same in any case, and rules about publishers look at the one that was asked for.
    if not isinstance(found.id, str) or found.id.lower() != repo.lower():
        raise HubRefused(
            f"The hub was asked for {repo} and answers with {str(found.id)[:200]!a}. Nothing of it "
            "is used. If it has moved there, pull it by that name."
        )
    files = tuple(_file(sibling) for sibling in found.siblings)
    return HubRevision(repo, commit, files, _licence(found))


def _licence(found: Any) -> str:
    """What the model's card says; without a card's word, what the hub made of it as a tag."""
    said = claimed(getattr(found.card_data, "license", None))
    if said or not isinstance(found.tags, list):
        return said
    tags = (tag for tag in found.tags if isinstance(tag, str) and tag.startswith(_LICENCE_TAG))
    return claimed([tag.removeprefix(_LICENCE_TAG) for tag in tags])


def _file(sibling: Any) -> HubFile:
    path, size, lfs = sibling.rfilename, sibling.size, sibling.lfs
    if lfs is not None:
        size = lfs.size
    if not isinstance(path, str) or type(size) is not int or not 0 <= size < 1 << 62:
        raise ValueError("a file without a name or a size")
    sha256 = lfs.sha256 if lfs is not None else None
    git_blob = sibling.blob_id if lfs is None else None  # of a large file it is its pointer's
    return HubFile(path, size, _hex(sha256, _SHA256), _hex(git_blob, _COMMIT))


def _hex(value: Any, form: re.Pattern[str]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ValueError("a digest that is none")
    return value
