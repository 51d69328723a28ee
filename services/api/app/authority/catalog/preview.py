"""What a model on a hub would need, from its configuration and headers: no weights are fetched.

A few kilobytes are read of each file. They are checked as an import checks them, so code to run, a
renamed pickle or a model that can never fit is refused before the download.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Final

from app.authority.catalog import gguf
from app.authority.catalog.config import MAX_JSON_BYTES, PATH, parse_config
from app.authority.catalog.gguf_files import ENDING, shape_of
from app.authority.catalog.hashing import FILES_AT_ONCE, matches
from app.authority.catalog.inspection import LOADED, MAX_CONFIG_BYTES
from app.authority.catalog.safetensors import LENGTH_BYTES, Header, header_length, parse_header
from app.authority.catalog.shapes import model_shape
from app.authority.catalog.shards import INDEX, check_index
from app.authority.catalog.tree import refuse
from app.authority.ports import Hub
from app.domain.hub import HubFile, HubRevision
from app.domain.refusals import DigestMismatch
from app.domain.shapes import ModelShape

# Enough for the header of most shards, so that one request does.
FIRST_BYTES: Final = 64 << 10


def preview(
    hub: Hub, at: HubRevision, taken: tuple[HubFile, ...], check: Callable[[], None]
) -> ModelShape:
    """The shape of the model in `taken`. Raises IntakeRefused, DigestMismatch, HubRefused."""
    files = {file.path: file for file in taken}
    in_gguf = [file for file in taken if file.path.lower().endswith(ENDING)]
    if in_gguf:
        return shape_of({file.path: _gguf_header(hub, at, file, check) for file in in_gguf})
    config = parse_config(_small(hub, at, files[PATH], MAX_CONFIG_BYTES))
    weights = [file for file in taken if fnmatchcase(file.path, LOADED)]

    def header(file: HubFile) -> Header:
        check()
        return _header(hub, at, file)

    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="preview") as pool:
        headers = dict(zip((f.path for f in weights), pool.map(header, weights), strict=True))
    if INDEX in files:
        check_index(_small(hub, at, files[INDEX], MAX_JSON_BYTES), headers)
    tensors = [tensor for found in headers.values() for tensor in found.tensors]
    tokenizer = files.get("tokenizer.json") or files.get("tokenizer.model")
    size = tokenizer.size if tokenizer else 0
    return model_shape(config, tensors, tokenizer_bytes=size, files=files)


def _gguf_header(
    hub: Hub, at: HubRevision, file: HubFile, check: Callable[[], None]
) -> gguf.Header:
    def read(count: int, offset: int) -> bytes:
        check()
        return hub.read(at, file, offset, min(offset + count, file.size))

    return gguf.read_header(read, file_size=file.size, path=file.path)


def _small(hub: Hub, at: HubRevision, file: HubFile, limit: int) -> bytes:
    if file.size > limit:
        refuse(file.path, f"is {file.size} bytes long; at most {limit} are read")
    found = hub.read(at, file, 0, file.size)
    if not matches(found, sha256=file.sha256, git_blob=file.git_blob):
        raise DigestMismatch(
            f"{file.path} of {at.repo} is not what the hub's own listing says. Nothing was kept. "
            "Pull again; if it stays so, do not use this model.",
            details={"path": file.path},
        )
    return found


def _header(hub: Hub, at: HubRevision, file: HubFile) -> Header:
    first = hub.read(at, file, 0, min(file.size, FIRST_BYTES))
    length = header_length(first[:LENGTH_BYTES], file_size=file.size, path=file.path)
    end = LENGTH_BYTES + length
    text = first[LENGTH_BYTES:end]
    if end > len(first):
        text += hub.read(at, file, len(first), end)
    return parse_header(text, file_size=file.size, path=file.path)
