"""How the states of a text's tokens become its one vector, as sentence-transformers describe it."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

FOLDER = "1_Pooling"
FLAT = "pooling.json"
"""What the store, which keeps no folders, calls that file."""

_PLAIN = frozenset({"Transformer", "Pooling", "Normalize"})


class Pooling(StrEnum):
    """Which of a text's tokens count: all alike, the first one, the last one."""

    MEAN = "mean"
    CLS = "cls"
    LAST = "lasttoken"


class NotReadable(ValueError):
    """The model's files describe a vector that cannot be made here."""


_OLD_NAMES = {
    "pooling_mode_mean_tokens": Pooling.MEAN,
    "pooling_mode_cls_token": Pooling.CLS,
    "pooling_mode_lasttoken": Pooling.LAST,
}


def pooling_of(directory: Path, *, default: Pooling) -> Pooling:
    """What the model's files say; `default` where they say nothing. Raises `NotReadable`."""
    kinds = _steps(_json(directory / "modules.json"))
    if foreign := kinds - _PLAIN:
        raise NotReadable(f"its modules.json has a step that is not supported ({min(foreign)})")
    for path in (directory / FOLDER / "config.json", directory / FLAT):
        if (config := _json(path)) is not None:
            return _named(config)
    if "Pooling" in kinds:
        raise NotReadable(
            f"how it pools is said in {FOLDER}/config.json, which is no part of what was taken in; "
            "import or pull the model again with that file, under another name (--name)"
        )
    return default


def _steps(modules: Any) -> set[str]:
    """The last parts of the modules' names, which have moved between packages."""
    if modules is None:
        return set()
    if not isinstance(modules, list) or not all(isinstance(one, dict) for one in modules):
        raise NotReadable("its modules.json is no list of objects")
    return {str(module.get("type")).rpartition(".")[2] for module in modules}


def _named(config: Any) -> Pooling:
    """Old files have a switch for each way, new ones name it."""
    if not isinstance(config, dict):
        raise NotReadable("its pooling configuration is no JSON object")
    said = config.get("pooling_mode")
    names = [said] if isinstance(said, str) else said
    if names is None:
        names = [name for name, on in config.items() if name.startswith("pooling_mode_") and on]
    ways = {Pooling.MEAN.value: Pooling.MEAN, "cls": Pooling.CLS, "lasttoken": Pooling.LAST}
    found = [ways.get(str(name)) or _OLD_NAMES.get(str(name)) for name in names]
    if len(found) != 1 or found[0] is None:
        raise NotReadable(f"its way of pooling is not supported ({', '.join(map(str, names))})")
    return found[0]


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise NotReadable(f"{path.name} cannot be read as JSON") from error


def pool(hidden: mx.array, lengths: list[int], pooling: Pooling) -> mx.array:
    """(batch, length, width), padded at the right, to (batch, width) in float32."""
    if pooling is Pooling.CLS:
        return hidden[:, 0].astype(mx.float32)
    ends = mx.array(lengths)
    if pooling is Pooling.LAST:
        return hidden[mx.arange(len(lengths)), ends - 1].astype(mx.float32)
    inside = mx.arange(hidden.shape[1])[None, :] < ends[:, None]
    summed = mx.where(inside[:, :, None], hidden.astype(mx.float32), 0.0).sum(axis=1)
    return summed / ends[:, None]


def packed(rows: mx.array, dimensions: int | None) -> list[bytes]:
    """Rows of float32 cut to `dimensions`, then of length 1, little-endian."""
    cut = np.array(rows[:, :dimensions], dtype=np.float64)
    if not np.isfinite(cut).all():
        raise ArithmeticError("a vector holds what is no number")
    norms = np.linalg.norm(cut, axis=1, keepdims=True)
    unit = cut / np.where(norms == 0, 1.0, norms)
    return [row.astype("<f4").tobytes() for row in unit]
