"""The files of a model in GGUF, and the model that llama.cpp makes of them."""

import ctypes
import os
import re
from pathlib import Path

from app.engines.worker.backend import CannotLoad
from app.engines.worker.gguf.library import NO_MAPPING, Library

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE)
_META_BYTES = 2**20


def find_gguf(directory: Path) -> Path:
    """The file, or the first of its shards. Raises `CannotLoad`."""
    found = sorted(path for path in directory.iterdir() if path.suffix.lower() == ".gguf")
    if not found:
        raise CannotLoad("There is no .gguf file in the model's directory.")
    shards = [_SHARD.fullmatch(path.name) for path in found]
    if len(found) == 1 and shards[0] is None:
        return found[0]
    names = {(shard[1], int(shard[3])) for shard in shards if shard is not None}
    numbers = [int(shard[2]) for shard in shards if shard is not None]
    whole = len(names) == 1 and numbers == list(range(1, next(iter(names))[1] + 1))
    if None in shards or not whole:
        raise CannotLoad(
            f"{len(found)} .gguf files are neither one model nor all of its shards:"
            f" {', '.join(path.name for path in found[:4])}."
        )
    return found[0]


class Weights:
    """A model that llama.cpp has read. Raises `CannotLoad` with what llama.cpp complained of."""

    def __init__(self, library: Library, path: Path) -> None:
        self._library = library
        params = library.call.llama_model_default_params()
        params.load_mode = NO_MAPPING
        library.complaints.clear()
        loaded = library.call.llama_model_load_from_file(os.fsencode(path), params)
        if not loaded:
            raise CannotLoad(self._why(path))
        self.pointer = int(loaded)
        self.vocabulary = int(library.call.llama_model_get_vocab(loaded))
        call = library.call
        if call.llama_model_has_encoder(loaded) and self.architecture.startswith("t5"):
            raise CannotLoad(f"{self.architecture} has an encoder and a decoder: not supported.")
        if call.llama_model_is_diffusion(loaded):
            raise CannotLoad(f"{self.architecture} is a diffusion model: not supported.")

    @property
    def architecture(self) -> str:
        return self.meta("general.architecture") or "the model"

    @property
    def sliding_window(self) -> int:
        """Tokens that its layers look back over, where they forget; else 0."""
        return int(self._library.call.llama_model_n_swa(self.pointer))

    def meta(self, key: str) -> str | None:
        """A value of the file's metadata as text; None if it has none of that name."""
        buffer = ctypes.create_string_buffer(_META_BYTES)
        size = self._library.call.llama_model_meta_val_str(
            self.pointer, key.encode(), ctypes.addressof(buffer), _META_BYTES
        )
        return None if size < 0 else buffer.value.decode(errors="replace")

    def _why(self, path: Path) -> str:
        """llama.cpp's first complaint names the cause; the others only that it gave up."""
        said = self._library.complaints
        first = said[0] if said else "no reason was given"
        return f"llama.cpp cannot load {path.name}: {first.replace(os.fspath(path.parent), '')}"
