"""Tokens to text, one token at a time, never half a character.

Joined, the pieces are the tokenizer's own decoding of all tokens at once (special tokens left out).
"""

import codecs
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

Decode = Callable[[list[int]], str]


class TextStream(Protocol):
    """The text of one sequence as it grows."""

    def add(self, token: int) -> str:
        """Text that this token completes; empty while a character is unfinished."""

    def flush(self) -> str:
        """What is left when no token follows."""


class ByteTextStream:
    """For byte-level tokenizers: exact, and it costs a table look-up per token."""

    def __init__(self, token_bytes: Sequence[bytes]) -> None:
        self._token_bytes = token_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        if token >= len(self._token_bytes):  # a row that only pads the model's vocabulary
            return ""
        return self._decoder.decode(self._token_bytes[token])

    def flush(self) -> str:
        return self._decoder.decode(b"", final=True)


class WindowTextStream:
    """For every other tokenizer: decodes a short window, shows what it gained.

    The window keeps the tokens of the piece shown last, because the decoding of a token depends on
    what stands before it (a leading space, a run of byte tokens).
    """

    MAX_HELD_TOKENS = 32  # nonsense bytes must not hold text back for ever

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._window: list[int] = []
        self._shown = ""
        self._shown_tokens = 0

    def add(self, token: int) -> str:
        self._window.append(token)
        text = self._decode(self._window)
        held = len(self._window) - self._shown_tokens
        if text.endswith(REPLACEMENT) and held < self.MAX_HELD_TOKENS:
            return ""
        return self._advance(text)

    def flush(self) -> str:
        if len(self._window) == self._shown_tokens:
            return ""
        return self._advance(self._decode(self._window))

    def _advance(self, text: str) -> str:
        piece = text[len(self._shown) :]
        if not piece:
            return ""
        self._window = self._window[self._shown_tokens :]
        self._shown_tokens = len(self._window)
        self._shown = self._decode(self._window)
        return piece


class TextStreams:
    """Makes the text streams of a Hugging Face tokenizer loaded from `directory`."""

    def __init__(self, tokenizer: Any, directory: Path) -> None:
        self._tokenizer = tokenizer
        self._special = {
            number: token.content
            for number, token in tokenizer.added_tokens_decoder.items()
            if token.special
        }
        byte_level = _is_byte_level(directory / "tokenizer.json")
        self._token_bytes = _token_bytes(tokenizer) if byte_level else None
        self._tables: dict[tuple[str, ...], Sequence[bytes]] = {}

    def __call__(self, shown: Sequence[str] = ()) -> TextStream:
        """Special tokens are left out, except those in `shown`."""
        if self._token_bytes is not None:
            return ByteTextStream(self._table(self._token_bytes, tuple(shown)))
        return WindowTextStream(self._decoding(shown))

    def bytes_of(self, token: int) -> bytes:
        """Also of a special token."""
        if self._token_bytes is None:
            return _bytes_of_piece(self._tokenizer.convert_ids_to_tokens(token))
        return self._token_bytes[token] if token < len(self._token_bytes) else b""

    def _table(self, token_bytes: Sequence[bytes], shown: tuple[str, ...]) -> Sequence[bytes]:
        if shown not in self._tables:
            table = list(token_bytes)
            for number, text in self._special.items():
                if text not in shown and number < len(table):
                    table[number] = b""
            self._tables[shown] = table
        return self._tables[shown]

    def _decoding(self, shown: Sequence[str]) -> Decode:
        hidden = {number for number, text in self._special.items() if text not in shown}

        def decode(tokens: list[int]) -> str:
            text: str = self._tokenizer.decode(
                [token for token in tokens if token not in hidden],
                skip_special_tokens=False,
                clean_up_tokenization_spaces=False,
            )
            return text

        return decode


def _is_byte_level(path: Path) -> bool:
    if not path.is_file():
        return False
    decoder = json.loads(path.read_text(encoding="utf-8")).get("decoder")
    return isinstance(decoder, dict) and decoder.get("type") == "ByteLevel"


def _token_bytes(tokenizer: Any) -> list[bytes]:
    alphabet = byte_of_character()
    names = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    return [b"" if name is None else _bytes_of(name, alphabet) for name in names]


def _bytes_of_piece(name: str | None) -> bytes:
    """Of a token of SentencePiece: a byte by its number, or text with visible spaces."""
    if name is None:
        return b""
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("\u2581", " ").encode()


def _bytes_of(name: str, alphabet: Mapping[str, int]) -> bytes:
    """A token with any character outside the byte alphabet stands for its own text."""
    if all(character in alphabet for character in name):
        return bytes(alphabet[character] for character in name)
    return name.encode()


def byte_of_character() -> dict[str, int]:
    """The alphabet of byte-level BPE: printable bytes stand for themselves, others from 256 up."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    spare = iter(range(256, 512))
    return {chr(byte if byte in printable else next(spare)): byte for byte in range(256)}
