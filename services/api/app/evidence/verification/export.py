"""Verifies an export directory: entries, their hashes, every level above, and what is signed.

A partial export has the bodies from one bundle on and the hashes of everything, so the root is
computed over all events, and the bodies that are there are judged.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.evidence.checkpoints import CheckpointInvalid, cosigned_at
from app.evidence.notes import Note, NoteInvalid, VerifierKey
from app.evidence.tiles import WIDTH, TileInvalid, entries_of, entry_bundles, hash_tiles
from app.evidence.verification import outside
from app.evidence.verification.exported import ExportTask, exported, hashes_in
from app.evidence.verification.fanout import in_order
from app.evidence.verification.findings import Findings, Part, Report
from app.evidence.verification.opening import NotReadable
from app.evidence.verification.signatures import Judged, judged
from app.evidence.verification.targets import Held, keys_in, of_log, of_witnesses
from app.evidence.verification.trees import Claim, Tree, judge
from app.evidence.vocabulary import Kind

_TILES: Final = 64
"""Tiles a process takes at a time."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    size: int
    first: int
    """The first event whose body is there."""
    root: str
    event: int
    """The event that records the export."""
    from_seq: int
    files: dict[str, str]


def verify_export(
    directory: Path,
    *,
    keys: Sequence[VerifierKey] = (),
    held: Iterable[Held] = (),
    progress: outside.Progress | None = None,
    processes: int | None = None,
) -> Report:
    """Verify the export; raises NotReadable where there is none."""
    findings, checked, unchecked = Findings(), list[str](), list[str]()
    manifest = _manifest(directory)
    known = _keys(directory, keys, checked, unchecked)
    logs, size = of_log(known), manifest.size
    claims = _claims(directory, manifest, known, findings)
    claims += outside.check_held(tuple(held), logs, size=size, findings=findings)
    _check_files(directory, manifest, findings)
    _check_record(directory, manifest, findings)
    tree = Tree(size)
    nodes = _nodes(directory, size, findings)
    told = progress or (lambda _done, _size: None)
    told(0, size)
    for result in in_order(exported, _tasks(directory, manifest, claims), processes):
        tree.take(result)
        tree.keep(result.partial, result)
        findings.take(result.findings)
        told(result.last, size)
    covered = judge(tree, nodes, claims, set(), findings)
    if manifest.first > 1:
        unchecked.append(
            f"The bodies of events 1 to {manifest.first - 1:,} are not in this export: of them the "
            "hashes were checked."
        )
    checked.append(f"{size - manifest.first + 1:,} bodies, the hashes of {size:,} events.")
    return Report(
        what=str(directory),
        size=size,
        covered=covered,
        root=tree.from_bodies([covered])[covered],
        findings=findings.first(),
        count=findings.count,
        checked=tuple(checked),
        unchecked=tuple(unchecked),
    )


def _manifest(directory: Path) -> _Manifest:
    try:
        fields: dict[str, Any] = json.loads((directory / "manifest.json").read_bytes())
        files = fields["files"]
        if not isinstance(files, dict):
            raise TypeError("files")
        return _Manifest(
            size=int(fields["size"]),
            first=max(1, int(fields["first_seq"])),
            root=str(fields["root"]),
            event=int(fields["event"]),
            from_seq=int(fields["from_seq"]),
            files={str(name): str(digest) for name, digest in files.items()},
        )
    except OSError as error:
        raise NotReadable(
            f"{directory} is no export: its manifest.json cannot be read ({error.strerror})."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotReadable(f"{directory} is no export: its manifest.json is damaged.") from error


def _keys(
    directory: Path, given: Sequence[VerifierKey], checked: list[str], unchecked: list[str]
) -> tuple[VerifierKey, ...]:
    try:
        own = keys_in((directory / "keys").read_text("utf-8"))
    except (OSError, UnicodeError, NoteInvalid):
        own = ()
    if of_log(given):
        checked.append("Signatures were checked with the keys given.")
        return (*given, *of_witnesses(own))
    if of_log(own):
        unchecked.append(
            "The keys came with the export, not from elsewhere: they show that nothing was changed "
            "since, not who made it. Give the key that you were told with --key."
        )
    else:
        unchecked.append("No signing key is known: no signature was checked.")
    return (*own, *given)


def _claims(
    directory: Path, manifest: _Manifest, keys: Sequence[VerifierKey], findings: Findings
) -> list[Claim]:
    claims: list[Claim] = []
    wanted = [("checkpoint", manifest.size)]
    folder = directory / "cosigned"
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        digits = path.name.partition("-")[0]
        wanted.append((f"cosigned/{path.name}", int(digits) if digits.isdecimal() else 0))
    for name, size in wanted:
        try:
            text = (directory / name).read_text("utf-8")
            found = judged(text, of_log(keys), size)
            for witness in of_witnesses(keys):
                cosigned_at(Note.parse(text), witness)
        except (OSError, UnicodeError) as error:
            findings.add(Part.CHECKPOINT, size, f"{name} cannot be read: {error}.")
            continue
        except (NoteInvalid, CheckpointInvalid) as error:
            found = Judged(size, b"", wrong=f"does not hold: {error}")
        if found.wrong:
            findings.add(Part.CHECKPOINT, size, f"The checkpoint in {name} {found.wrong}.")
        elif size > manifest.size:
            findings.add(
                Part.CHECKPOINT,
                size,
                f"The checkpoint in {name} covers {size:,} events, the export {manifest.size:,}.",
            )
        else:
            claims.append(Claim(name, size, found.root, signed=found.signed))
    if any(c.where == "checkpoint" and c.root.hex() != manifest.root for c in claims):
        findings.add(Part.EXPORT, 0, "manifest.json has another root than the checkpoint.")
    return claims


def _check_files(directory: Path, manifest: _Manifest, findings: Findings) -> None:
    """What the manifest lists is there and unchanged; evidence is what its name says."""
    for name, digest in manifest.files.items():
        path = directory / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            findings.add(Part.EXPORT, 0, f"manifest.json names a file outside: {name[:80]}.")
        elif (found := _sha256(path)) is None:
            findings.add(Part.EXPORT, 0, f"{name} is missing.")
        elif name.startswith("blobs/") and found != path.name:
            findings.add(Part.EVIDENCE, 0, f"The evidence {path.name[:64]} was altered.")
        elif found != digest:
            findings.add(Part.EXPORT, 0, f"{name} was changed: the manifest has another digest.")
    tiles = {tile.path for tile in hash_tiles(manifest.size)}
    tiles |= {
        tile.path
        for tile in entry_bundles(manifest.size)
        if tile.index * WIDTH + 1 >= manifest.first
    }
    known = {*manifest.files, *tiles, "manifest.json"}
    for path in sorted(path for path in directory.rglob("*") if not path.is_dir()):
        if (name := path.relative_to(directory).as_posix()) not in known:
            findings.add(Part.EXPORT, 0, f"{name[:120]} does not belong into this export.")
        elif path.is_symlink():
            findings.add(Part.EXPORT, 0, f"{name[:120]} is a link: an export holds files only.")


def _check_record(directory: Path, manifest: _Manifest, findings: Findings) -> None:
    """The export's own event says how much was taken along, and under which digest its evidence."""
    bundles = entry_bundles(manifest.size)
    place = manifest.event - 1
    tile = next((tile for tile in bundles if tile.index == place // WIDTH), None)
    try:
        entries = list(entries_of((directory / tile.path).read_bytes())) if tile else []
        record = json.loads(entries[place % WIDTH])
        kind, data = record["kind"], record["data"]
    except (OSError, TileInvalid, ValueError, KeyError, TypeError, IndexError, RecursionError):
        findings.add(
            Part.EXPORT, manifest.event, f"The export's own event {manifest.event:,} is not there."
        )
        return
    blobs = sorted(name.removeprefix("blobs/") for name in _blobs(manifest))
    listed = hashlib.sha256("".join(f"{digest}\n" for digest in blobs).encode()).hexdigest()
    if kind != Kind.LEDGER_EXPORTED or data.get("from_seq") != manifest.from_seq:
        findings.add(
            Part.EXPORT,
            manifest.event,
            f"Event {manifest.event:,} does not record this export: another range was exported.",
        )
    elif data.get("blobs_sha256") != listed:
        findings.add(
            Part.EVIDENCE,
            manifest.event,
            f"The evidence is not what event {manifest.event:,} recorded: some was taken out or "
            "put in.",
        )


def _blobs(manifest: _Manifest) -> set[str]:
    return {name for name in manifest.files if name.startswith("blobs/")}


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _nodes(directory: Path, size: int, findings: Findings) -> dict[tuple[int, int], bytes]:
    """Read the tiles above level 0; those of level 0 are read with the events."""
    nodes: dict[tuple[int, int], bytes] = {}
    for tile in hash_tiles(size):
        if not tile.level:
            continue
        found = hashes_in(directory, tile)
        if found is None:
            findings.add(Part.NODE, 0, f"{tile.path} is missing, or has the wrong length.")
        for place, digest in enumerate(found or ()):
            nodes[tile.level, tile.index * WIDTH + place] = digest
    return nodes


def _tasks(directory: Path, manifest: _Manifest, claims: Iterable[Claim]) -> list[ExportTask]:
    sizes = {claim.size for claim in claims}
    step = _TILES * WIDTH
    return [
        ExportTask(
            directory=str(directory),
            first=first,
            last=min(first + step - 1, manifest.size),
            bodies_from=manifest.first,
            size=manifest.size,
            sizes=frozenset(size for size in sizes if first <= size < first + step),
        )
        for first in range(1, manifest.size + 1, step)
    ]
