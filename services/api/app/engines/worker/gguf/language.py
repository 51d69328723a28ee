"""The vocabulary and the chat templates of a GGUF file, by llama.cpp's own tokenizer."""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from app.engines.worker.gguf.cutting import LONGEST, pieces
from app.engines.worker.gguf.library import Library
from app.engines.worker.gguf.weights import Weights
from app.engines.worker.markers import control_tokens, markers_of
from app.engines.worker.text import ByteTextStream, TextStream

_BPE = 2
_CONTROL = 1 << 3
_USER_DEFINED = 1 << 4
_PIECE_BYTES = 4096


class GgufLanguage:
    """A `Language`. Reading every token once costs about a microsecond each."""

    def __init__(self, library: Library, weights: Weights) -> None:
        self._call = library.call
        self._vocabulary = weights.vocabulary
        self.vocab_size = int(self._call.llama_vocab_n_tokens(self._vocabulary))
        self._bytes = self._read_bytes()
        attributes = [
            self._call.llama_vocab_get_attr(self._vocabulary, n) for n in range(self.vocab_size)
        ]
        self._control = [n for n, attribute in enumerate(attributes) if attribute & _CONTROL]
        added = {
            self._text(n): bool(attribute & _CONTROL)
            for n, attribute in enumerate(attributes)
            if attribute & (_CONTROL | _USER_DEFINED) and self._bytes[n]
        }
        self.longest_token = max(1, *(len(piece) for piece in self._bytes))
        self.chat_templates = _templates(weights)
        self.markers = markers_of(
            self.chat_templates,
            added.keys(),
            tuple(text for text, special in added.items() if special),
            lambda text: self.encode(text, special=False),
        )
        own = (self.markers.think_start, self.markers.think_end)
        self.control_tokens: Sequence[str] = control_tokens(added, self.chat_templates, own)
        self.template_constants: Mapping[str, str] = {
            name: self._text(token)
            for name, token in (("bos_token", self.begin), ("eos_token", self.end))
            if token is not None
        }
        self._tables: dict[tuple[str, ...], Sequence[bytes]] = {}

    @cached_property
    def end_tokens(self) -> frozenset[int]:
        """Those that end an answer: of the text, of the turn, of the message."""
        is_end = self._call.llama_vocab_is_eog
        return frozenset(n for n in range(self.vocab_size) if is_end(self._vocabulary, n))

    @property
    def begin(self) -> int | None:
        return self._known(self._call.llama_vocab_bos(self._vocabulary))

    @property
    def end(self) -> int | None:
        return self._known(self._call.llama_vocab_eos(self._vocabulary))

    @property
    def special_tokens(self) -> Sequence[int]:
        return self._control

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Control tokens in the text are taken as such. Raises `UnicodeEncodeError`."""
        if len(text) <= LONGEST or self._call.llama_vocab_type(self._vocabulary) != _BPE:
            return self._encode(text, special=special)
        tokens = [token for piece in pieces(text) for token in self._encode(piece, special=False)]
        if special and self.begin is not None and self._adds("bos"):
            tokens.insert(0, self.begin)
        if special and self.end is not None and self._adds("eos"):
            tokens.append(self.end)
        return tokens

    def _encode(self, text: str, *, special: bool) -> list[int]:
        data = text.encode()
        room = len(data) + 16  # no tokenizer makes more tokens than bytes, and a few around them
        tokens = np.empty(room, dtype=np.int32)
        count = self._call.llama_tokenize(
            self._vocabulary, data, len(data), tokens.ctypes.data, room, special, True
        )
        if count < 0:
            raise ValueError("more tokens than bytes")
        made: list[int] = tokens[:count].tolist()
        return made

    def _adds(self, name: Literal["bos", "eos"]) -> bool:
        asked = getattr(self._call, f"llama_vocab_get_add_{name}")
        return bool(asked(self._vocabulary))

    def decode(self, tokens: Sequence[int]) -> str:
        return b"".join(self._bytes[token] for token in tokens).decode(errors="replace")

    def bytes_of(self, token: int) -> bytes:
        return self._bytes[token]

    def new_text_stream(self, shown: Sequence[str] = ()) -> TextStream:
        return ByteTextStream(self._table(tuple(shown)))

    def _table(self, shown: tuple[str, ...]) -> Sequence[bytes]:
        if shown not in self._tables:
            table = list(self._bytes)
            for token in self._control:
                if self._text(token) not in shown:
                    table[token] = b""
            self._tables[shown] = table
        return self._tables[shown]

    def _text(self, token: int) -> str:
        return self._bytes[token].decode(errors="replace")

    def _known(self, token: int) -> int | None:
        return token if 0 <= token < self.vocab_size else None

    def _read_bytes(self) -> list[bytes]:
        buffer = ctypes.create_string_buffer(_PIECE_BYTES)
        address, read = ctypes.addressof(buffer), self._call.llama_token_to_piece
        pieces = []
        for token in range(self.vocab_size):
            size = read(self._vocabulary, token, address, _PIECE_BYTES, 0, True)
            pieces.append(ctypes.string_at(address, size) if size > 0 else b"")
        return pieces


def _templates(weights: Weights) -> dict[str, str]:
    keys = {"default": "tokenizer.chat_template", "tool_use": "tokenizer.chat_template.tool_use"}
    found = {name: weights.meta(key) for name, key in keys.items()}
    return {name: template for name, template in found.items() if template}
