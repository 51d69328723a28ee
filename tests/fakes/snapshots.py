"""Snapshots for tests: small ones by hand, large ones and arbitrary ones generated.

`snapshot(models={"a/b": model(requests=3)})` has one model. What is not said is as in a machine of
64 GiB that has been running for 30 days. Nothing here depends on chance but by `seed`.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from app.domain.advice.snapshot import AliasFacts, HostFacts, ModelFacts, Snapshot, Use, UseRow

GIB = 1 << 30
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOW_HOUR = 500_000
NOW_US = NOW_HOUR * HOUR_US + 1_800_000_000
"""Half past eight of a morning in January 2027, in the middle of the hour NOW_HOUR."""

HOST: Mapping[str, Any] = {
    "memory_total_bytes": 64 * GIB,
    "memory_available_bytes": 40 * GIB,
    "models_budget_bytes": 48 * GIB,
    "worker_base_bytes": 128 << 20,
    "disk_total_bytes": 1_000 * GIB,
    "disk_free_bytes": 400 * GIB,
    "trash_bytes": 0,
    "orphan_bytes": 0,
    "download_bytes": 0,
    "cache_bytes": 0,
    "default_context": 4_096,
    "default_slots": 4,
    "idle_ttl_s": 3_600,
    "queue_limit": 64,
}
MODEL: Mapping[str, Any] = {
    "digest": "0" * 64,
    "size_bytes": 4 * GIB,
    "frees_bytes": 4 * GIB,
    "format": "mlx",
    "task": "generate",
    "quantization": "4bit",
    "parameters": 7_000_000_000,
    "architecture": "llama",
    "trust": "pinned",
    "source": "pulled",
    "created_us": NOW_US - 100 * DAY_US,
    "max_context": 32_768,
    "pinned": False,
    "state": "absent",
    "resident_bytes": 0,
    "context": None,
    "slots": None,
    "terms_context": 4_096,
    "terms_slots": 4,
    "terms_idle_s": 3_600,
    "need_bytes": 6 * GIB,
    "kv_bytes_per_token": 131_072,
    "load_ms": 3_000,
    "last_used_us": None,
    "requests": 0,
    "cold": 0,
    "longest_tokens": 0,
    "ttft_p95_ms": None,
    "loads": 0,
    "load_failures": 0,
    "evictions": 0,
}
IN_MEMORY: Mapping[str, Any] = {
    "state": "ready",
    "resident_bytes": 6 * GIB,
    "context": 4_096,
    "slots": 4,
}
ROW: Mapping[str, Any] = {
    "requests": 1,
    "refused": 0,
    "cold": 0,
    "prompt_tokens": 200,
    "completion_tokens": 100,
    "longest_tokens": 300,
    "ttft_p50_ms": 200,
    "ttft_p95_ms": 400,
    "duration_p95_ms": 3_000,
    "waited_p95_ms": 0,
}


def host(**changes: Any) -> HostFacts:
    return HostFacts(**{**HOST, **changes})


def model(**changes: Any) -> ModelFacts:
    """A model that was never used and is not in memory, but for what is said."""
    return ModelFacts(**{**MODEL, **changes})


def in_memory(**changes: Any) -> ModelFacts:
    return model(**{**IN_MEMORY, **changes})


def alias(*models: str, **changes: Any) -> AliasFacts:
    """An alias that a person gave, and of which nothing is asked, but for what is said."""
    plain = {"source": "given", "goal_ms": None, "requests": 0, "ttft_p95_ms": None}
    return AliasFacts(models=models, **{**plain, **changes})


def row(hour: int, model: str, name: str | None = None, **changes: Any) -> UseRow:
    """`hour` since 1970; not positive: so many hours before the snapshot is taken."""
    at = NOW_HOUR + hour if hour <= 0 else hour
    return UseRow(hour=at, model=model, name=name or model, **{**ROW, **changes})


def use(rows: Iterable[UseRow]) -> Use:
    """The columns of these rows, in the order of their hours."""
    ordered = sorted(rows)
    models = sorted({one.model for one in ordered})
    names = sorted({one.name for one in ordered})
    where_model = {name: index for index, name in enumerate(models)}
    where_name = {name: index for index, name in enumerate(names)}
    if not ordered:
        return Use()
    columns = {
        name: tuple(column)
        for name, column in zip(UseRow._fields, zip(*ordered, strict=True), strict=False)
    }
    columns["model"] = tuple(where_model[one.model] for one in ordered)
    columns["name"] = tuple(where_name[one.name] for one in ordered)
    return Use(tuple(models), tuple(names), columns)


def snapshot(
    *,
    models: Mapping[str, ModelFacts] | None = None,
    aliases: Mapping[str, AliasFacts] | None = None,
    rows: Iterable[UseRow] = (),
    days: int = 30,
    **host_changes: Any,
) -> Snapshot:
    """What is said, and nothing made to agree: facts of models are as they are given."""
    return Snapshot(
        taken_us=NOW_US,
        days=days,
        host=host(**host_changes),
        models=models or {},
        aliases=aliases or {},
        use=use(rows),
    )


def summed(facts: ModelFacts, rows: Sequence[UseRow]) -> ModelFacts:
    """The model's facts with those that follow from its rows."""
    first = [one.ttft_p95_ms for one in rows if one.ttft_p95_ms is not None]
    return replace(
        facts,
        requests=sum(one.requests for one in rows),
        cold=sum(one.cold for one in rows),
        longest_tokens=max((one.longest_tokens for one in rows), default=0),
        ttft_p95_ms=max(first, default=None),
        last_used_us=max((one.hour * HOUR_US for one in rows), default=None),
    )


@cache
def large(models: int = 200, days: int = 30, seed: int = 1) -> Snapshot:
    """Every model used in every hour, which is as many rows as 30 days can have; many aliases."""
    draw = random.Random(seed)
    ids = [
        f"org{index % 7}/model-{index // 4}-{('4bit', '8bit', 'bf16', 'q4_k_m')[index % 4]}"
        for index in range(models)
    ]
    first = NOW_HOUR - days * 24 + 1
    rows = []
    for index, name in enumerate(ids):
        speed = 100 + 10 * (index % 50)
        for hour in range(first, NOW_HOUR + 1):
            requests = draw.randint(1, 40)
            rows.append(
                UseRow(
                    hour=hour,
                    model=name,
                    name=f"alias-{index}" if index % 2 else name,
                    requests=requests,
                    refused=0,
                    cold=int(draw.random() < 0.05),
                    prompt_tokens=200 * requests,
                    completion_tokens=100 * requests,
                    longest_tokens=draw.randint(200, 2_000),
                    ttft_p50_ms=speed,
                    ttft_p95_ms=2 * speed,
                    duration_p95_ms=20 * speed,
                    waited_p95_ms=0,
                )
            )
    of: dict[str, list[UseRow]] = {}
    for one in rows:
        of.setdefault(one.model, []).append(one)
    facts = {}
    for index, name in enumerate(ids):
        plain = in_memory() if index % 20 == 0 else model(terms_context=32_768)
        facts[name] = summed(plain, of[name]) if index % 10 else plain
    aliases = {
        f"alias-{index}": alias(
            ids[index],
            goal_ms=300,
            requests=facts[ids[index]].requests,
            ttft_p95_ms=facts[ids[index]].ttft_p95_ms,
        )
        for index in range(1, models, 2)
    }
    return snapshot(models=facts, aliases=aliases, rows=rows, days=days)


# --- arbitrary ones, for properties: of values near what rules ask for there are more -----------

NAMES = tuple(
    f"{who}/{what}" for who in ("a", "b.c") for what in ("m-7B-4bit", "m-7B-8bit", "n_1", "Z.9")
)
ALIASES = ("default", "chat", "small-1", "Q")
_COUNTS = st.sampled_from((0, 1, 49, 50, 700)) | st.integers(0, 2_000)
_BYTES = st.integers(0, 80 * GIB)
_MS = st.sampled_from((None, 50, 400, 3_000)) | st.integers(0, 60_000)
_LENGTHS = st.sampled_from((0, 300, 1_500)) | st.integers(0, 40_000)
_MOSTLY = st.sampled_from((True, True, True, False))
_WHEN = st.just(NOW_US - 90 * DAY_US) | st.integers(NOW_US - 200 * DAY_US, NOW_US)

_MODELS = st.builds(
    model,
    size_bytes=_BYTES,
    frees_bytes=_BYTES,
    format=st.sampled_from(("mlx", "gguf")),
    task=st.sampled_from(("generate", "generate", "embed", "rerank")),
    quantization=st.sampled_from(("", "4bit", "8bit", "Q4_K_M")),
    parameters=st.sampled_from((0, 1_000_000_000, 7_000_000_000)),
    architecture=st.sampled_from(("llama", "qwen3")),
    trust=st.sampled_from(("pinned",) * 4 + ("verified", "quarantined")),
    created_us=_WHEN,
    pinned=st.sampled_from((False, False, True)),
    state=st.sampled_from(("absent",) * 4 + ("loading", "ready", "failed", "quarantined")),
    resident_bytes=st.just(0) | _BYTES,
    terms_context=st.sampled_from((2_048, 8_192, 131_072)) | st.integers(1, 131_072),
    terms_slots=st.integers(1, 64),
    terms_idle_s=st.sampled_from((0, 60, 3_600, 86_400)),
    max_context=st.integers(1, 131_072),
    need_bytes=st.just(6 * GIB) | _BYTES,
    kv_bytes_per_token=st.integers(0, 1 << 20),
    load_ms=_MS,
    last_used_us=st.none() | _WHEN,
    requests=_COUNTS,
    cold=st.sampled_from((0, 4, 5, 50)),
    longest_tokens=_LENGTHS,
    ttft_p95_ms=_MS,
    loads=st.integers(0, 50),
    load_failures=st.sampled_from((0, 0, 3)),
    evictions=st.sampled_from((0,) * 8 + (2,)),
)
_USUAL = st.builds(
    model,
    last_used_us=st.sampled_from((None, NOW_US - 90 * DAY_US, NOW_US - DAY_US)),
    requests=st.sampled_from((0, 60, 900)),
    cold=st.sampled_from((0, 20)),
    quantization=st.sampled_from(("4bit", "8bit")),
    longest_tokens=st.sampled_from((300, 1_500)),
    terms_context=st.sampled_from((4_096, 32_768)),
    need_bytes=st.sampled_from((6 * GIB, 20 * GIB)),
    ttft_p95_ms=st.sampled_from((90, 400)),
    load_failures=st.sampled_from((0, 0, 3)),
    loads=st.just(5),
)
"""Of a machine on which something could be better."""
_ALIASES = st.builds(
    lambda models, **others: alias(*models, **others),
    models=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
    source=st.sampled_from(("given", "given", "given", "file")),
    goal_ms=st.sampled_from((100, 100, 500, None)),
    requests=st.sampled_from((400, 400, 0)) | _COUNTS,
    ttft_p95_ms=st.sampled_from((900, 900, 50, None)),
)
_ROWS = st.builds(
    row,
    hour=st.integers(-30 * 24, 0),
    model=st.sampled_from(NAMES),
    name=st.none() | st.sampled_from(ALIASES),
    requests=st.integers(1, 200),
    refused=st.integers(0, 3),
    cold=st.integers(0, 2),
    prompt_tokens=st.just(500) | st.integers(0, 100_000),
    longest_tokens=_LENGTHS,
    ttft_p95_ms=_MS,
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Any snapshot: facts need not agree with each other, aliases may lead to what is gone."""
    kind = draw(st.sampled_from((_USUAL, _USUAL | _MODELS, _MODELS)))
    aliases = draw(st.dictionaries(st.sampled_from(ALIASES), _ALIASES, min_size=1, max_size=4))
    rows = draw(st.lists(_ROWS, max_size=30))
    for name, facts in aliases.items():  # what an alias is late with, hour by hour
        count = draw(st.sampled_from((3, 1, 0)))
        rows += [
            row(-at, facts.models[0], name, requests=60, ttft_p95_ms=900) for at in range(count)
        ]
    if draw(st.booleans()):  # a model that is loaded anew every few hours
        pause = draw(st.integers(1, 30))
        again = draw(st.sampled_from(NAMES))
        rows += [row(-at * pause, again, cold=1) for at in range(20)]
    return snapshot(
        models={name: draw(kind) for name in NAMES if draw(_MOSTLY)},
        aliases=aliases,
        rows={(one.hour, one.model, one.name): one for one in rows}.values(),
        days=draw(st.sampled_from((0, 1, 7, 30, 30, 90))),
        trash_bytes=draw(_BYTES),
        orphan_bytes=draw(_BYTES),
        download_bytes=draw(_BYTES),
        cache_bytes=draw(_BYTES),
        disk_free_bytes=draw(_BYTES),
        models_budget_bytes=draw(st.just(48 * GIB) | _BYTES),
    )
