"""What advice may see: frozen facts of one moment and the use of the days before it. Pure.

No prompt, no answer, no key, no name of a person or of whoever asked, no note. Sizes are bytes,
times are microseconds of UTC, tokens are counted. As JSON (`as_plain`), models and aliases are
objects by name, so that a piece of evidence can name a fact by its path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine and what the settings say of it.

    `models_budget_bytes`: what all models together could take, those in memory included.
    """

    memory_total_bytes: int
    memory_available_bytes: int
    models_budget_bytes: int
    worker_base_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int
    trash_bytes: int
    orphan_bytes: int
    download_bytes: int
    cache_bytes: int
    default_context: int
    default_slots: int
    idle_ttl_s: int
    queue_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model, what it would take, and how it was used in the days of the snapshot.

    `terms_*`: as it would be loaded next; `terms_idle_s`: 0 where it is never unloaded for being
    idle. `need_bytes`: what a load on those terms needs; `kv_bytes_per_token`: of that, for each
    token of context in each slot. `context`, `slots`: as it is in memory, else None.
    `frees_bytes`: what deleting it would free, without the files that other models share.
    `longest_tokens`: prompt and answer of the longest request together. `load_ms`: median.
    None: not known.
    """

    digest: str
    size_bytes: int
    frees_bytes: int
    format: str
    task: str
    quantization: str
    parameters: int
    architecture: str
    trust: str
    source: str
    created_us: int
    max_context: int
    pinned: bool
    state: str
    resident_bytes: int
    context: int | None
    slots: int | None
    terms_context: int
    terms_slots: int
    terms_idle_s: int
    need_bytes: int
    kv_bytes_per_token: int
    load_ms: int | None
    last_used_us: int | None
    requests: int
    cold: int
    longest_tokens: int
    ttft_p95_ms: int | None
    loads: int
    load_failures: int
    evictions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasFacts:
    """An alias and the models it leads to, the first that can be had answers.

    `source`: `file` (routing.yaml: only changed there) or `given` (changed by people here).
    `goal_ms`: the first token that the settings ask of it, at the 95th percentile; None: nothing
    is asked. `requests` and `ttft_p95_ms` are those of requests that named this alias.
    """

    models: tuple[str, ...]
    source: str
    goal_ms: int | None
    requests: int
    ttft_p95_ms: int | None


class UseRow(NamedTuple):
    """What one model was asked under one name within one hour (hours since 1970, UTC).

    `name`: the alias that was asked for, or the model's id. `refused`: not answered and not given
    up by the client; `cold`: had to wait for a load. Percentiles are milliseconds, None where
    nothing was measured; `waited`: for a place in the queue.
    """

    hour: int
    model: str
    name: str
    requests: int
    refused: int
    cold: int
    prompt_tokens: int
    completion_tokens: int
    longest_tokens: int
    ttft_p50_ms: int | None
    ttft_p95_ms: int | None
    duration_p95_ms: int | None
    waited_p95_ms: int | None


@dataclass(frozen=True, slots=True)
class Use:
    """Every `UseRow`, by column; `model` and `name` are indices into `models` and `names`.

    Rows are in the order of their hours.
    """

    models: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    columns: Mapping[str, tuple[int | None, ...]] = field(
        default_factory=lambda: dict.fromkeys(UseRow._fields, ())
    )

    def __len__(self) -> int:
        return len(self.columns["hour"])

    def rows(self) -> Iterator[UseRow]:
        columns = [self.columns[name] for name in UseRow._fields]
        for hour, model, name, *rest in zip(*columns, strict=True):
            yield UseRow(hour, self.models[model], self.names[name], *rest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything advice gets. `refusals`: days since 1970 (UTC), the refusal's code, how many."""

    taken_us: int
    days: int
    host: HostFacts
    models: Mapping[str, ModelFacts]
    aliases: Mapping[str, AliasFacts]
    use: Use = field(default_factory=Use)
    refusals: tuple[tuple[int, str, int], ...] = ()
    version: int = VERSION


def as_plain(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as JSON has it."""
    use = snapshot.use
    return {
        "version": snapshot.version,
        "taken_us": snapshot.taken_us,
        "days": snapshot.days,
        "host": asdict(snapshot.host),
        "models": {model: asdict(facts) for model, facts in snapshot.models.items()},
        "aliases": {
            alias: {**asdict(facts), "models": list(facts.models)}
            for alias, facts in snapshot.aliases.items()
        },
        "use": {
            "models": list(use.models),
            "names": list(use.names),
            "columns": {name: list(column) for name, column in use.columns.items()},
        },
        "refusals": [list(row) for row in snapshot.refusals],
    }


def from_plain(plain: Mapping[str, Any]) -> Snapshot:
    """The snapshot of its JSON. Raises ValueError where it is of another version or not whole."""
    if plain.get("version") != VERSION:
        raise ValueError(f"a snapshot of version {plain.get('version')!r}, not {VERSION}")
    try:
        use = plain["use"]
        return Snapshot(
            taken_us=plain["taken_us"],
            days=plain["days"],
            host=HostFacts(**plain["host"]),
            models={model: ModelFacts(**facts) for model, facts in plain["models"].items()},
            aliases={
                alias: AliasFacts(**{**facts, "models": tuple(facts["models"])})
                for alias, facts in plain["aliases"].items()
            },
            use=Use(
                models=tuple(use["models"]),
                names=tuple(use["names"]),
                columns={name: tuple(use["columns"][name]) for name in UseRow._fields},
            ),
            refusals=tuple((day, code, count) for day, code, count in plain["refusals"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"a snapshot that is not whole: {error}") from None
