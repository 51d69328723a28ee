"""Which files of a model are taken, which are left out and which are refused: one table."""

from collections.abc import Collection
from enum import StrEnum, auto
from pathlib import PurePosixPath
from typing import Final

from app.authority.catalog.tree import refuse


class Kind(StrEnum):
    WEIGHTS = auto()
    GGUF = auto()
    JSON = auto()
    TEXT = auto()
    TOKENIZER = auto()
    SIGNATURE = auto()
    LEFT_OUT = auto()

    @property
    def taken(self) -> bool:
        """Whether it is a part of the model: a signature is about it and no part of it."""
        return self not in {Kind.SIGNATURE, Kind.LEFT_OUT}


# By whole name first, then by ending. What is in neither table is refused.
_NAMES = {
    "merges.txt": Kind.TEXT,
    "vocab.txt": Kind.TEXT,
    "tokenizer.model": Kind.TOKENIZER,
    "tiktoken.model": Kind.TOKENIZER,
    "spiece.model": Kind.TOKENIZER,
    "model.sig": Kind.SIGNATURE,
    "license": Kind.LEFT_OUT,
    "notice": Kind.LEFT_OUT,
    "modelfile": Kind.LEFT_OUT,
}
_ENDINGS = {
    ".safetensors": Kind.WEIGHTS,
    ".gguf": Kind.GGUF,
    ".json": Kind.JSON,
    ".jinja": Kind.TEXT,
    ".tiktoken": Kind.TEXT,
    **dict.fromkeys(
        (".md", ".txt", ".rst", ".yaml", ".yml", ".toml", ".pdf", ".png", ".jpg", ".jpeg", ".gif",
         ".svg", ".webp", ".gitattributes", ".gitignore", ".csv", ".jsonl"),
        Kind.LEFT_OUT,
    ),
}  # fmt: skip

_PICKLE = "may hold a pickle, which runs code when it is read; use a safetensors version"
_CODE = "is code; LMX runs none that comes with a model. Use a version that needs none"
_GGUF = "is GGUF under another name; call it .gguf, or remove it from the directory"
# What lies beside a model in GGUF and is none: for pictures, and for those who quantize.
_ASIDE = ("mmproj", "imatrix")
_REFUSED = {
    **dict.fromkeys((".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib"), _PICKLE),
    **dict.fromkeys((".npy", ".npz", ".h5", ".keras", ".msgpack", ".onnx"), _PICKLE),
    **dict.fromkeys((".py", ".pyc", ".pyi", ".ipynb", ".sh", ".js", ".so", ".dylib"), _CODE),
    **dict.fromkeys((".dll", ".exe", ".jar", ".wasm", ".metal", ".bat", ".ps1"), _CODE),
}

# What a file is by its first bytes, whatever it is called.
_MAGIC = (
    (b"PK\x03\x04", _PICKLE),
    (b"GGUF", _GGUF),
    (b"\x7fELF", _CODE),
    (b"MZ", _CODE),
    (b"#!", _CODE),
    (b"\xcf\xfa\xed\xfe", _CODE),
    (b"\xca\xfe\xba\xbe", _CODE),
    (b"\x93NUMPY", _PICKLE),
)
MAGIC_BYTES = 8


POOLING: Final = "1_Pooling/config.json"
"""The only file in a folder that is a part of a model: how its tokens become one vector."""

_HELD_AS: Final = {POOLING: "pooling.json"}


def held_as(path: str) -> str:
    """The name that the file at `path` of a model has where no folders are: in the store's
    directories, in a download and in the trash. What is signed, recorded and shown is the path."""
    return _HELD_AS.get(path, path)


def is_hidden(path: str, beside: Collection[str]) -> bool:
    """Whether another file of the model has the name, but for case, that this one is held as."""
    name = held_as(path)
    return name != path and any(other.casefold() == name for other in beside)


def kind_of(path: str) -> Kind:
    """The kind of the file at `path`, by its name. Raises IntakeRefused for what is not taken."""
    if path == POOLING:
        return Kind.JSON
    name = PurePosixPath(path).name.lower()
    ending = PurePosixPath(name).suffix or name
    if ending in _REFUSED:
        refuse(path, _REFUSED[ending])
    kind = _NAMES.get(name) or _ENDINGS.get(ending)
    if kind is None:
        refuse(path, "is of a kind that LMX does not know; remove it from the directory")
    if kind is Kind.GGUF and name.startswith(_ASIDE):
        return Kind.LEFT_OUT
    if kind is not Kind.LEFT_OUT and "/" in path:
        # The engine reads one flat directory; what lies deeper belongs to other tools.
        return Kind.LEFT_OUT
    return kind


def check_magic(path: str, first: bytes, kind: Kind) -> None:
    """Refuse a file whose first bytes say that it is something else than its name does."""
    if kind is not Kind.WEIGHTS and first[:1] == b"\x80" and first[1:2] in b"\x02\x03\x04\x05":
        refuse(path, _PICKLE)
    for magic, why in _MAGIC:
        # A safetensors file starts with a length, which its own reader checks.
        if first.startswith(magic) and kind is not Kind.WEIGHTS:
            refuse(path, why)
    if kind is Kind.JSON and first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"{", b"["):
        refuse(path, "is not JSON; get it again")
