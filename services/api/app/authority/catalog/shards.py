"""Checks that the index of a sharded model and its shards say the same."""

from collections.abc import Mapping

from app.authority.catalog.config import parse_json
from app.authority.catalog.safetensors import Header
from app.authority.catalog.tree import refuse

INDEX = "model.safetensors.index.json"


def check_index(text: bytes, headers: Mapping[str, Header]) -> None:
    """Raise IntakeRefused unless every tensor is in the shard that the index names, and no other.

    `headers` are those of the weight files in the directory, by name.
    """
    index = parse_json(text, path=INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(weight_map, dict) or not all(isinstance(v, str) for v in weight_map.values()):
        refuse(INDEX, "has no weight_map from tensors to files")
    shards = set(weight_map.values())
    for shard in sorted(shards):
        if "/" in shard or "\\" in shard or shard in {"", ".", ".."}:
            refuse(INDEX, f"names the shard {shard!r}, which is not a plain file name")
        if shard not in headers:
            refuse(INDEX, f"names the shard {shard}, which is missing; get it too")
    for shard in sorted(shards):
        _check_shard(shard, {t for t, s in weight_map.items() if s == shard}, headers[shard])


def _check_shard(shard: str, promised: set[str], header: Header) -> None:
    held = {tensor.name for tensor in header.tensors}
    if missing := promised - held:
        refuse(INDEX, f"says {shard} holds {min(missing)!r}, but it does not; get it again")
    if extra := held - promised:
        refuse(INDEX, f"does not know {min(extra)!r}, which {shard} holds; get it again")
