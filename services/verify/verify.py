#!/usr/bin/env python3
"""Checks an export of an LMX Authority ledger, without the server, its database or its code.

    python verify.py [DIR] [--key VKEY] [--checkpoint FILE] [--event SEQ]

Python 3.9 or newer, its standard library, and the package `cryptography` for Ed25519 signatures.
Formats: C2SP signed-note, tlog-checkpoint, tlog-cosignature and tlog-tiles; RFC 6962 and RFC 9162
trees; RFC 8785 canonical JSON. Exit codes: 0 it holds, 1 it does not (each line says what and
where), 2 it could not be checked. Read the file before you run it: that is why it is one file.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import gc
import hashlib
import json
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

FORMAT = "lmx-ledger-export/1"
ROTATED, EXPORTED = "signing_key_rotated", "ledger_exported"
HOW = "python verify.py --key KEY, with the log's key from somewhere you trust"
WIDTH = 256
HASH = 32
ED25519, COSIGNATURE = 0x01, 0x04
MAX_SIGNATURES = 16
MAX_NOTE = 64 * 1024
MAX_BUNDLE = WIDTH * (2 + 65535)
MAX_MANIFEST = 256 * 1024 * 1024
MAX_INTEGER = 2**53 - 1
LINES_SHOWN = 25

sha256 = hashlib.sha256


class Wrong(Exception):
    """Something does not hold; the message is a sentence that names it."""


class Unusable(Exception):
    """It could not be checked at all: wrong folder, wrong arguments, missing package."""


# ---- Merkle trees (RFC 6962, section 2.1; RFC 9162, section 2.1) -------------------------------


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: bytes) -> bytes:
    """Return the root over a power of two of concatenated hashes."""
    while len(hashes) > HASH:
        hashes = b"".join(
            [
                sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest()
                for at in range(0, len(hashes), 2 * HASH)
            ]
        )
    return hashes


def split(count: int) -> int:
    """Return the largest power of two that is smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Return what RFC 9162, section 2.1.3.2 says of this proof."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


# ---- Tiles (c2sp.org/tlog-tiles) ---------------------------------------------------------------


def tile_path(level: int | str, index: int, width: int) -> str:
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def row(count: int, first: int = 0) -> Iterator[tuple[int, int]]:
    """Return (index, width) of every tile over `count` hashes or entries, from tile `first` on."""
    for index in range(first, -(-count // WIDTH)):
        yield index, min(WIDTH, count - index * WIDTH)


def levels(size: int) -> Iterator[tuple[int, int]]:
    """Return (level, how many hashes it has) from the leaves upwards."""
    level = 0
    while size:
        yield level, size
        level, size = level + 1, size // WIDTH


class Tree:
    """The hash tiles of a directory, as a tree of `size` leaves."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory = directory
        self.size = size
        self._held: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def tile(self, level: int, index: int) -> bytes:
        key = (level, index)
        if key not in self._held:
            width = min(WIDTH, (self.size >> (8 * level)) - index * WIDTH)
            path = tile_path(level, index, width)
            found = read(self._directory, path, limit=WIDTH * HASH)
            if len(found) != width * HASH:
                raise Wrong(f"{path}: it has {len(found)} bytes and should have {width * HASH}.")
            self._held[key] = found
            if len(self._held) > 16:
                self._held.popitem(last=False)
        return self._held[key]

    def complete(self, height: int, index: int) -> bytes:
        """Return the root over the leaves from index * 2^height on, 2^height of them."""
        level, above = divmod(height, 8)
        start, count = index << above, 1 << above
        at = (start % WIDTH) * HASH
        return fold(self.tile(level, start // WIDTH)[at : at + count * HASH])

    def root(self, start: int, end: int) -> bytes:
        """Return RFC 9162's MTH over leaves `start` to `end`, as it appears inside the tree."""
        count = end - start
        if count == 0:
            return sha256(b"").digest()
        if count & (count - 1) == 0:
            height = count.bit_length() - 1
            return self.complete(height, start >> height)
        middle = start + split(count)
        return node_hash(self.root(start, middle), self.root(middle, end))

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """Return RFC 9162's PATH for a leaf of the first `size`, from the leaf upwards."""
        start, end, proof = 0, size, []
        while end - start > 1:
            middle = start + split(end - start)
            if index < middle:
                proof.append(self.root(middle, end))
                end = middle
            else:
                proof.append(self.root(start, middle))
                start = middle
        return proof[::-1]


def entries_of(bundle: bytes) -> Iterator[bytes]:
    """Read an entry bundle: each entry stands behind its length in two bytes, big-endian."""
    at, whole = 0, len(bundle)
    while at < whole:
        start = at + 2
        end = start + int.from_bytes(bundle[at:start], "big")
        if start > whole or end > whole:
            raise Wrong("it ends inside an event: bytes are missing or were changed.")
        yield bundle[start:end]
        at = end


# ---- Notes and checkpoints (c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature) -----------


class Key(NamedTuple):
    """A verifier key: what signs is known by its name and its id together."""

    name: str
    type: int
    public: bytes

    @property
    def id(self) -> bytes:
        material = self.name.encode() + b"\n" + bytes([self.type]) + self.public
        return sha256(material).digest()[:4]

    def __str__(self) -> str:
        material = base64.b64encode(bytes([self.type]) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{material}"


class Signature(NamedTuple):
    name: str
    key_id: bytes
    raw: bytes


class Note(NamedTuple):
    text: str
    signatures: tuple[Signature, ...]


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


def parse_key(line: str) -> Key:
    name, _, rest = line.partition("+")
    _, _, encoded = rest.partition("+")
    material = unbase64(encoded)
    if material is None or len(material) != 1 + 32 or not is_name(name):
        raise Wrong("a key reads NAME+ID+BASE64 and is an Ed25519 key.")
    key = Key(name, material[0], material[1:])
    if key.type not in (ED25519, COSIGNATURE) or str(key) != line:
        raise Wrong(f"the id of the key {shown(name)} does not belong to the key.")
    return key


def parse_note(raw: bytes) -> Note:
    if len(raw) > MAX_NOTE:
        raise Wrong(f"a note has at most {MAX_NOTE} bytes.")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong("it is not UTF-8.") from None
    if any(char < " " and char != "\n" for char in whole):
        raise Wrong("a note holds no control characters but newlines.")
    text, blank, lines = whole.rpartition("\n\n")
    if not blank or not text or not lines.endswith("\n"):
        raise Wrong("a note is text, a blank line, signature lines, and nothing after those.")
    found = [parse_signature(line) for line in lines[:-1].split("\n")]
    if len(found) > MAX_SIGNATURES:
        raise Wrong(f"it has {len(found)} signatures; at most {MAX_SIGNATURES} are looked at.")
    return Note(text + "\n", tuple(found))


def parse_signature(line: str) -> Signature:
    parts = line.split(" ")
    raw = unbase64(parts[2]) if len(parts) == 3 else None
    if raw is None or len(raw) < 5 or parts[0] != "\u2014" or not is_name(parts[1]):
        raise Wrong("a signature line is an em dash, the key's name and base64.")
    return Signature(parts[1], raw[:4], raw[4:])


def parse_checkpoint(text: str) -> Checkpoint:
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise Wrong("a checkpoint has three lines: the log, its size, its root.")
    root = unbase64(lines[2])
    if re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) is None or root is None or len(root) != HASH:
        raise Wrong("its size or its root is malformed.")
    return Checkpoint(lines[0], int(lines[1]), root)


def vouching(note: Note, keys: Iterable[Key]) -> list[Key]:
    """Return the known keys that signed the note; a known key's bad signature spoils it."""
    known = {(key.name, key.id): key for key in keys}
    found = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        raw, message = signature.raw, note.text.encode()
        if key.type == COSIGNATURE:
            time_s = int.from_bytes(raw[:8], "big")
            raw, message = raw[8:], f"cosignature/v1\ntime {time_s}\n{note.text}".encode()
        if not ed25519_holds(key.public, raw, message):
            raise Wrong(f"the signature of {shown(key.name)} ({key.id.hex()}) does not hold.")
        found.append(key)
    return found


def cosigned_at(note: Note, key: Key) -> str:
    stamps = [s.raw[:8] for s in note.signatures if (s.name, s.key_id) == (key.name, key.id)]
    since = timedelta(seconds=min(int.from_bytes(max(stamps), "big"), 253402300799))
    return (datetime(1970, 1, 1, tzinfo=timezone.utc) + since).strftime("%Y-%m-%d %H:%M:%S UTC")


def ed25519_holds(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise Unusable(
            "the Python package `cryptography` is needed to check Ed25519 signatures. "
            "Install it: python -m pip install cryptography"
        ) from None
    if len(signature) != 64:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_name(text: str) -> bool:
    return re.fullmatch(r"[^\s+]+", text) is not None


def unbase64(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None


# ---- Canonical JSON (RFC 8785, and no floats) --------------------------------------------------


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:30]} is not an integer")


def _integer(text: str) -> int:
    found = int(text)
    if -MAX_INTEGER <= found <= MAX_INTEGER:
        return found
    raise ValueError("an integer is larger than 2^53 - 1")


_DECODER = json.JSONDecoder(
    parse_float=_refuse_number, parse_constant=_refuse_number, parse_int=_integer
)
_SORTED = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False
)
_AS_GIVEN = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_SORTS_APART = re.compile(b"[\xee-\xff]")  # U+E000 and above: UTF-16, the RFC's order, differs


def parse_canonical(raw: bytes) -> Any:
    """Return what the bytes say, or raise ValueError unless they are its only canonical form.

    Writing it again and comparing finds every other spelling: white space, order, escapes,
    duplicate keys.
    """
    text = raw.decode("utf-8")
    value, end = _DECODER.raw_decode(text)
    written = _AS_GIVEN.encode(_in_utf16_order(value))
    if written != text or end != len(text):
        raise ValueError("it is not canonical JSON (RFC 8785)")
    return value


def parse_all_canonical(entries: list[bytes]) -> list[Any] | None:
    """Return what `parse_canonical` would of JSON objects, three times as fast; None: look closer.

    They are written again as one list. An object ends where its brace closes, so two lists of
    objects that read the same have the same objects at the same places.
    """
    texts, values = [], []
    for raw in entries:
        if not raw.isascii() and _SORTS_APART.search(raw):
            return None
        try:
            text = raw.decode("utf-8")
            value, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        if end != len(text) or type(value) is not dict:
            return None
        texts.append(text)
        values.append(value)
    try:
        written = _SORTED.encode(values)
    except RecursionError:
        return None
    return values if written == f"[{','.join(texts)}]" else None


# A log has millions of bodies and a few dozen shapes: which keys there are, in which order. So a
# shape that was once found canonical is kept as a pattern: these keys, and between them any values
# that are spelled in one way only. What it matches is canonical without being read and written.
_NOT_PLAIN = bytes(range(0x20)) + b"\\"  # without these a string has no escapes
_SCALAR = r'(?:"[^"]*"|0|-?(?:[1-8][0-9]{0,15}|9[0-9]{0,14})|true|false|null)'  # below 2^53
MAX_SHAPES = 256
_shapes: dict[str, dict[str, re.Pattern[str]]] = {}


def is_of_known_shape(raw: bytes, seq: int) -> bool:
    """Whether a known shape says that this is event `seq`, canonical. False: look closer."""
    if len(raw.translate(None, _NOT_PLAIN)) != len(raw):
        return False
    try:
        text = raw.decode("utf-8")
    except UnicodeError:
        return False
    for shape in _shapes.get(_kind_in(text), {}).values():
        found = shape.fullmatch(text)
        if found:
            return found[1] == str(seq)
    return False


def learn_shape(raw: bytes, body: Any) -> None:
    """Take up the shape of a canonical body that is small and has no escapes in its keys."""
    plain = len(raw.translate(None, _NOT_PLAIN)) == len(raw)
    small = len(raw) < 4096 and raw.count(b"{") + raw.count(b"[") < 16
    if plain and small and isinstance(body, dict) and sum(map(len, _shapes.values())) < MAX_SHAPES:
        pairs = (
            f'"{re.escape(key)}":' + ("([0-9]+)" if key == "seq" else _shape_of(value))
            for key, value in body.items()
        )
        pattern = r"\{" + ",".join(pairs) + r"\}"
        known = _shapes.setdefault(_kind_in(raw.decode("utf-8")), {})
        if "seq" in body and pattern not in known:
            known[pattern] = re.compile(pattern)


def _kind_in(text: str) -> str:
    return text.rpartition('"kind":"')[2].partition('"')[0]


def _shape_of(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f'"{re.escape(key)}":{_shape_of(value[key])}' for key in value)
        return r"\{" + ",".join(pairs) + r"\}"
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return rf"\[(?:{_SCALAR}(?:,{_SCALAR})*)?\]"
    if isinstance(value, list):
        return r"\[" + ",".join(map(_shape_of, value)) + r"\]"
    return _SCALAR


def _in_utf16_order(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return {key: _in_utf16_order(value[key]) for key in keys}
    if isinstance(value, list):
        return [_in_utf16_order(item) for item in value]
    return value


# ---- The export --------------------------------------------------------------------------------


def read(directory: Path, path: str, *, limit: int) -> bytes:
    """Return a file of the export, at most `limit` bytes and one more."""
    file = directory / path
    if not file.is_file() or file.is_symlink():
        raise Wrong(f"{path}: it is missing (or a link, which an export does not have).")
    with file.open("rb") as stream:
        found = stream.read(limit + 1)
    if len(found) > limit:
        raise Wrong(f"{path}: it is longer than such a file can be.")
    return found


def digest_of(file: Path) -> str:
    found = sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def shown(text: object) -> str:
    """Text from outside, safe to print on a terminal."""
    line = str(text)[:200]
    return line if line.isprintable() and line.isascii() else ascii(line)


class Report:
    """What was found, said as it is found."""

    def __init__(self) -> None:
        self.wrong = 0

    def good(self, sentence: str) -> None:
        print(f"  ok     {sentence}")

    def bad(self, sentence: str) -> None:
        self.wrong += 1
        if self.wrong <= LINES_SHOWN:
            print(f"  WRONG  {sentence}")


class Export:
    """A directory, its manifest and its checkpoint; each `check_` method looks at one thing."""

    def __init__(self, directory: Path, report: Report, trusted: Key | None) -> None:
        self.directory = directory
        self.report = report
        self.trusted = trusted
        self.manifest = self._read_manifest()
        self.keys = self._read_keys()
        self.note, self.checkpoint = self._note(
            "checkpoint", read(directory, "checkpoint", limit=MAX_NOTE)
        )
        self.tree = Tree(directory, self.checkpoint.size)
        self.misfits: set[int] = set()
        self.first = self._from_seq()
        self.first_bundle = (self.first - 1) // WIDTH

    def _read_manifest(self) -> dict[str, Any]:
        raw = read(self.directory, "manifest.json", limit=MAX_MANIFEST)
        try:
            found = parse_canonical(raw)
        except (ValueError, RecursionError) as error:
            raise Wrong(f"manifest.json: {shown(error)}.") from None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Wrong(f"manifest.json: it is not one of an {FORMAT} export.")
        if not isinstance(found.get("files"), dict) or not isinstance(found.get("event"), int):
            raise Wrong("manifest.json: it does not list the files, or not the export's event.")
        return found

    def _read_keys(self) -> list[Key]:
        raw = read(self.directory, "keys", limit=1 << 20)
        if not raw.endswith(b"\n"):
            raise Wrong("keys: it does not end in a newline.")
        try:
            found = [parse_key(line) for line in raw.decode("utf-8")[:-1].split("\n")]
        except UnicodeDecodeError:
            raise Wrong("keys: it is not UTF-8.") from None
        except Wrong as error:
            raise Wrong(f"keys: {error}") from None
        return found if self.trusted is None else list({*found, self.trusted})

    def _note(self, name: str, raw: bytes) -> tuple[Note, Checkpoint]:
        """Parse a note of this log; its known signatures hold, and the log's is among them."""
        try:
            note = parse_note(raw)
            checkpoint = parse_checkpoint(note.text)
            signed = [key for key in vouching(note, self.keys) if key.type == ED25519]
        except Wrong as error:
            raise Wrong(f"{name}: {error}") from None
        if not any(key.name == checkpoint.origin for key in signed):
            raise Wrong(f"{name}: no known key of the log {shown(checkpoint.origin)} signed it.")
        return note, checkpoint

    def _from_seq(self) -> int:
        first = self.manifest.get("from_seq")
        if not isinstance(first, int) or not 1 <= first <= self.checkpoint.size:
            raise Wrong("manifest.json: `from_seq` is not an event of this export.")
        return first

    def check_manifest(self) -> None:
        """The files that are not tiles: each has its digest, none is missing, none is added."""
        manifest, before = self.manifest, self.report.wrong
        expected = self._expected_manifest()
        for name in sorted({*expected, *manifest}):
            if name not in expected or expected[name] != manifest.get(name, expected):
                self.report.bad(f"manifest.json: `{shown(name)}` does not fit the checkpoint.")
        for path, digest in manifest["files"].items():
            self._check_file(path, digest)
        for needed in ("checkpoint", "keys"):
            if needed not in manifest["files"]:
                self.report.bad(f"manifest.json: it does not list {needed}.")
        tiles = set(self._tiles())
        for path in self._walk():
            if path not in tiles and path not in manifest["files"] and path != "manifest.json":
                self.report.bad(f"{shown(path)}: this file does not belong to the export.")
        if self.report.wrong == before:
            self.report.good(f"manifest ({len(manifest['files'])} files): each is as it lists it")

    def _expected_manifest(self) -> dict[str, Any]:
        """What the manifest has to say; the export's own event tells the rest."""
        manifest, size = self.manifest, self.checkpoint.size
        first_seq = self.first_bundle * WIDTH + 1
        files = manifest["files"]
        return {
            **{name: manifest.get(name) for name in ("event", "from_seq", "since", "files")},
            "format": FORMAT,
            "verify": HOW,
            "origin": self.checkpoint.origin,
            "size": size,
            "root": self.checkpoint.root.hex(),
            "first_seq": first_seq,
            "until_seq": size,
            "counts": {
                "events": size - first_seq + 1,
                "bundles": len(list(row(size, self.first_bundle))),
                "hash_tiles": sum(-(-count // WIDTH) for _, count in levels(size)),
                "blobs": sum(path.startswith("blobs/") for path in files),
                "notes": sum(path.startswith("cosigned/") for path in files),
            },
        }

    def _check_file(self, path: str, digest: object) -> None:
        if (
            re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)?", path)
            is None
        ):
            self.report.bad(f"manifest.json: {shown(path)} is not a file of an export.")
            return
        file = self.directory / path
        if not file.is_file() or file.is_symlink():
            self.report.bad(f"{path}: it is missing (or a link, which an export does not have).")
        elif digest_of(file) != digest:
            self.report.bad(f"{path}: it is not the file that the manifest lists (other digest).")

    def _tiles(self) -> Iterator[str]:
        for level, count in levels(self.checkpoint.size):
            for index, width in row(count):
                yield tile_path(level, index, width)
        for index, width in row(self.checkpoint.size, self.first_bundle):
            yield tile_path("entries", index, width)

    def _walk(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.directory):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            for name in [*files, *links]:
                yield (Path(folder) / name).relative_to(self.directory).as_posix()

    def check_signature(self) -> None:
        """The log's key signed the checkpoint, and it is the trusted one where one was given."""
        signed = [key for key in vouching(self.note, self.keys) if key.type == ED25519]
        names = ", ".join(f"{shown(key.name)} ({key.id.hex()})" for key in signed)
        trusted = set(self.keys) if self.trusted is None else self._reached_from(self.trusted)
        if not trusted.intersection(signed):
            self.report.bad(
                f"checkpoint: it is signed by {names}, but not by the key that you trust, "
                "nor by one that this key handed over to in an event of this export."
            )
            return
        self.report.good(f"checkpoint: {self.checkpoint.size} events, signed by {names}")

    def _reached_from(self, trusted: Key) -> set[Key]:
        """The keys that a trusted one handed over to, itself included.

        Anybody can add a signature to a note, so two signatures prove nothing. What counts is that
        the old key signed a root over the event that names the new one.
        """
        notes, reached, grew = self._further_notes(quiet=True), {trusted}, True
        while grew:
            grew = False
            for _, note, checkpoint in notes:
                if reached.intersection(vouching(note, self.keys)):
                    named = self._handed_over_to(checkpoint)
                    if named is not None and named not in reached:
                        reached, grew = {*reached, named}, True
        return reached

    def _handed_over_to(self, checkpoint: Checkpoint) -> Key | None:
        """Return the key that the last event under this root says the log changed to."""
        seq, tree = checkpoint.size, Tree(self.directory, self.checkpoint.size)
        try:
            entry = self.entry(seq)
            proof = tree.inclusion_proof(seq - 1, seq)
            if not verify_inclusion(leaf_hash(entry), seq - 1, seq, proof, checkpoint.root):
                return None
            body = parse_canonical(entry)
            return parse_key(body["data"]["new"]) if body["kind"] == ROTATED else None
        except (Wrong, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            return None

    def check_tree(self) -> None:
        """Every tile hashes to its place in the tile above, and all of them to the root."""
        before, tiles = self.report.wrong, 0
        for level, count in levels(self.checkpoint.size):
            for index, width in row(count):
                tiles += 1
                self.hold(self._check_tile, level, index, width)
        if self.report.wrong > before:
            return
        if self.tree.root(0, self.checkpoint.size) != self.checkpoint.root:
            self.report.bad(
                "the hash tiles do not lead to the checkpoint's root: a tile that is not full "
                "was changed, or the checkpoint is of another log."
            )
        else:
            self.report.good(f"hash tiles ({tiles}): they lead to the checkpoint's root")

    def _check_tile(self, level: int, index: int, width: int) -> None:
        found = self.tree.tile(level, index)
        if width < WIDTH:
            return
        if fold(found) != self._above(level, index):
            if level == 0:
                self.misfits.add(index)
            over = (self.checkpoint.size >> (8 * (level + 1))) - index // WIDTH * WIDTH
            parent = tile_path(level + 1, index // WIDTH, min(WIDTH, over))
            raise Wrong(f"{tile_path(level, index, width)}: it does not fit its hash in {parent}.")

    def _above(self, level: int, index: int) -> bytes:
        """Return what the level above says that a full tile hashes to."""
        at = (index % WIDTH) * HASH
        return self.tree.tile(level + 1, index // WIDTH)[at : at + HASH]

    def check_entries(self) -> None:
        """Every event's bytes hash to its leaf, are canonical JSON and name their own number."""
        before, size = self.report.wrong, self.checkpoint.size
        for index, width in row(size, self.first_bundle):
            self.hold(self._check_bundle, index, width)
        if self.report.wrong == before:
            first = self.first_bundle * WIDTH + 1
            self.report.good(
                f"events {first} to {size}: each body is under its hash, and canonical"
            )
        if self.first_bundle:
            print(f"         events 1 to {self.first_bundle * WIDTH} are here as hashes only")

    def _check_bundle(self, index: int, width: int) -> None:
        path = tile_path("entries", index, width)
        raw = read(self.directory, path, limit=MAX_BUNDLE)
        try:
            entries = list(entries_of(raw))
        except Wrong as error:
            raise Wrong(f"{path}: {error}") from None
        if len(entries) != width:
            raise Wrong(f"{path}: it has {len(entries)} events and should have {width}.")
        leaves = b"".join([sha256(b"\x00" + entry).digest() for entry in entries])
        if index in self.misfits:
            if fold(leaves) != self._above(0, index):
                raise Wrong(f"{path}: its events do not fit the hash tiles either.")
        elif leaves != self.tree.tile(0, index):
            raise Wrong(self._other_leaf(path, index, width, entries, leaves))
        first = index * WIDTH + 1
        left = [
            (seq, entry)
            for seq, entry in enumerate(entries, first)
            if not is_of_known_shape(entry, seq)
        ]
        bodies = parse_all_canonical([entry for _, entry in left])
        if bodies is None or [body.get("seq") for body in bodies] != [seq for seq, _ in left]:
            for seq, entry in left:
                self._check_body(seq, path, entry)
        else:
            for (_, entry), body in zip(left, bodies):
                learn_shape(entry, body)

    def _other_leaf(
        self, path: str, index: int, width: int, entries: list[bytes], leaves: bytes
    ) -> str:
        """Return a sentence about the first event of a bundle that has not its leaf's hash."""
        tile, name = self.tree.tile(0, index), tile_path(0, index, width)
        at = next(
            at for at in range(width) if leaves[at * HASH :][:HASH] != tile[at * HASH :][:HASH]
        )
        changed = "it was changed" if width == WIDTH else "one of the two was changed"
        return (
            f"event {index * WIDTH + 1 + at} in {path}: its bytes do not have the hash that {name} "
            f"holds: {changed}{_says_it_is(entries[at])}."
        )

    def _check_body(self, seq: int, path: str, entry: bytes) -> None:
        try:
            body = parse_canonical(entry)
        except (ValueError, RecursionError) as error:
            self.report.bad(f"event {seq} in {path}: {shown(error)}.")
            return
        if not isinstance(body, dict) or body.get("seq") != seq:
            self.report.bad(f"event {seq} in {path}: its body is not that of event {seq}.")

    def check_purpose(self) -> None:
        """The export's own event, inside the log, says what belongs into it."""
        seq, files = self.manifest["event"], self.manifest["files"]
        blobs = sorted(path[len("blobs/") :] for path in files if path.startswith("blobs/"))
        if not self.first <= seq <= self.checkpoint.size:
            raise Wrong(f"manifest.json: event {seq} of the export is not in it.")
        try:
            body = parse_canonical(self.entry(seq))
            kind, data = body["kind"], body["data"]
            said = (kind, data["from_seq"], data["blobs_sha256"], data.get("since"))
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise Wrong(f"event {seq}: it is not the record of this export.") from None
        if said[0] != EXPORTED or said[1] != self.first:
            raise Wrong(f"event {seq}: it records another export, not one from event {self.first}.")
        if said[3] != self.manifest.get("since"):
            raise Wrong(f"event {seq}: `since` was something else than manifest.json has.")
        if said[2] != sha256("".join(f"{blob}\n" for blob in blobs).encode()).hexdigest():
            raise Wrong(f"blobs/: event {seq} recorded an export with other evidence in it.")
        self.report.good(f"event {seq} records this export, from event {self.first} on")

    def check_blobs(self) -> None:
        """Evidence lies under its own digest."""
        before, found = self.report.wrong, 0
        for path in self.manifest["files"]:
            if path.startswith("blobs/") and (self.directory / path).is_file():
                found += 1
                if digest_of(self.directory / path) != path[len("blobs/") :]:
                    self.report.bad(f"{shown(path)}: its bytes do not have this digest.")
        if found and self.report.wrong == before:
            self.report.good(f"evidence ({found}): each piece has the digest it is named by")

    def check_further_notes(self) -> None:
        """Checkpoints that witnesses cosigned, or two keys signed, are of this same tree."""
        for path, note, checkpoint in self._further_notes(quiet=False):
            if self._extends(path, checkpoint):
                for key in vouching(note, self.keys):
                    if key.type == COSIGNATURE:
                        when = cosigned_at(note, key)
                        self.report.good(
                            f"{path}: {shown(key.name)} saw {checkpoint.size} events at {when}"
                        )

    def _further_notes(self, *, quiet: bool) -> list[tuple[str, Note, Checkpoint]]:
        found = []
        for path in self.manifest["files"]:
            if path.startswith("cosigned/"):
                try:
                    raw = read(self.directory, path, limit=MAX_NOTE)
                    found.append((path, *self._note(path, raw)))
                except Wrong as error:
                    if not quiet:
                        self.report.bad(str(error))
        return found

    def check_held(self, file: Path) -> None:
        """A checkpoint that was kept elsewhere is of this same log, at its own size."""
        try:
            raw = file.read_bytes()
        except OSError as error:
            raise Unusable(f"{file}: {error.strerror}.") from None
        _, checkpoint = self._note(shown(file), raw)
        if self._extends(shown(file), checkpoint):
            self.report.good(f"{shown(file)}: this export extends it ({checkpoint.size} events)")

    def _extends(self, name: str, held: Checkpoint) -> bool:
        if held.origin != self.checkpoint.origin:
            self.report.bad(f"{name}: it is of another log, {shown(held.origin)}.")
        elif held.size > self.checkpoint.size:
            self.report.bad(
                f"{name}: it has {held.size} events, this export only {self.checkpoint.size}. "
                "Nothing here can show that one extends the other: take a newer export."
            )
        elif self.tree.root(0, held.size) != held.root:
            self.report.bad(
                f"{name}: FORK. After {held.size} events the log had another root than this "
                "export: its history was rewritten. Keep both as evidence."
            )
        else:
            return True
        return False

    def entry(self, seq: int) -> bytes:
        index = (seq - 1) // WIDTH
        if not self.first_bundle * WIDTH < seq <= self.checkpoint.size:
            first = self.first_bundle * WIDTH + 1
            raise Wrong(f"event {seq}: this export has events {first} to {self.checkpoint.size}.")
        width = min(WIDTH, self.checkpoint.size - index * WIDTH)
        path = tile_path("entries", index, width)
        entries = list(entries_of(read(self.directory, path, limit=MAX_BUNDLE)))
        if len(entries) != width:
            raise Wrong(f"{path}: it has {len(entries)} events and should have {width}.")
        return entries[(seq - 1) % WIDTH]

    def check_event(self, seq: int) -> None:
        """Print one event and its inclusion proof, and verify the proof against the checkpoint."""
        body = self.entry(seq)
        proof = self.tree.inclusion_proof(seq - 1, self.checkpoint.size)
        print(body.decode("utf-8", "replace").encode("ascii", "backslashreplace").decode())
        print(f"leaf {leaf_hash(body).hex()}, index {seq - 1} of {self.checkpoint.size}")
        for sibling in proof:
            print(f"  {sibling.hex()}")
        print(f"root {self.checkpoint.root.hex()}")
        checkpoint = self.checkpoint
        if not verify_inclusion(leaf_hash(body), seq - 1, checkpoint.size, proof, checkpoint.root):
            raise Wrong(f"event {seq}: the proof does not lead to the root: it was changed.")
        self._check_body(seq, "this export", body)
        self.report.good(f"event {seq} is under the checkpoint's root")

    def hold(self, check: Any, *arguments: Any) -> None:
        try:
            check(*arguments)
        except Wrong as error:
            self.report.bad(str(error))


def _says_it_is(entry: bytes) -> str:
    try:
        seq = json.loads(entry)["seq"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return f" (it says that it is event {seq})" if isinstance(seq, int) else ""


# ---- The command -------------------------------------------------------------------------------


def verify(options: argparse.Namespace, trusted: Key | None, report: Report) -> None:
    export = Export(options.directory, report, trusted)
    print(f"Log {shown(export.checkpoint.origin)}")
    export.check_signature()
    if options.event is None or options.checkpoint is not None:
        export.check_manifest()
        export.check_tree()
        export.check_entries()
        export.check_blobs()
        export.hold(export.check_purpose)
        export.hold(export.check_further_notes)
        if options.checkpoint is not None:
            export.hold(export.check_held, options.checkpoint)
    if options.event is not None:
        export.check_event(options.event)


def conclusion(options: argparse.Namespace) -> str:
    if options.event is not None and options.checkpoint is None:
        return "HOLDS for this event. Without --event, everything else is checked too."
    return "HOLDS. Nothing in this export was changed since the checkpoint was signed."


def arguments_of(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Check an export of an LMX Authority ledger."
    )
    here = Path(__file__).resolve().parent
    add = parser.add_argument
    add(
        "directory",
        nargs="?",
        type=Path,
        default=here,
        metavar="DIR",
        help="the export; default: where this file is",
    )
    add("--key", metavar="VKEY", help="the log's key, from somewhere that you trust")
    add("--checkpoint", type=Path, metavar="FILE", help="a checkpoint that was kept elsewhere")
    add("--event", type=int, metavar="SEQ", help="show one event with its proof")
    return parser.parse_args(given)


def trusted_key(text: str | None) -> Key | None:
    try:
        key = None if text is None else parse_key(text.strip())
    except Wrong as error:
        raise Unusable(f"--key: {error}") from None
    if key is not None and key.type != ED25519:
        raise Unusable("--key: this is a witness's key; a log's key has signature type 0x01.")
    return key


def main(given: list[str] | None = None) -> int:
    options, report = arguments_of(given), Report()
    gc.disable()  # nothing here makes cycles, and looking for them takes a fifth of the time
    try:
        if not options.directory.is_dir():
            raise Unusable(f"{options.directory} is not a directory.")
        verify(options, trusted_key(options.key), report)
    except Wrong as error:
        report.bad(str(error))
    except (Unusable, OSError) as error:
        print(f"verify.py: {error}", file=sys.stderr)
        return 2
    if report.wrong > LINES_SHOWN:
        print(f"         and {report.wrong - LINES_SHOWN} more")
    if report.wrong:
        print("DOES NOT HOLD.")
        return 1
    print(conclusion(options))
    if options.key is None:
        print(
            "The keys came with the export itself. Compare them with what you got elsewhere: --key"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
