"""What a model may be called: `PUBLISHER/NAME`."""

import re
from pathlib import Path
from typing import Final

from app.domain.refusals import IntakeRefused

MODEL_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"
DEFAULT_PUBLISHER: Final = "local"

_ID = re.compile(MODEL_ID.removesuffix("$"))
_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+")


def model_id(name: str | None, directory: Path) -> str:
    """The id asked for, or one made from the name of what is imported. Raises IntakeRefused."""
    if name is None:
        name = f"{DEFAULT_PUBLISHER}/{_from_directory(directory)}"
    if not _ID.fullmatch(name):
        raise IntakeRefused(
            f"{name[:200]!r} cannot be a model's name. Write PUBLISHER/NAME, each of 1 to 96 "
            "letters, digits, dots, dashes and underscores, beginning with a letter or digit.",
            param="name",
        )
    return name


def _from_directory(directory: Path) -> str:
    name = directory.name
    if name.lower().endswith(".gguf"):
        name = name[: -len(".gguf")]
    return _UNUSABLE.sub("-", name).lstrip("._-")[:96] or "model"
