"""What an advisor sees in a replay: a snapshot of the facts so far, and nothing of what comes."""

from collections import Counter
from typing import Final

from app._experimental.replay.memory import Memory
from app._experimental.replay.month import DAYS, Month
from app.domain.advice.snapshot import HostFacts, ModelFacts, Snapshot, Use, UseRow

HOUR_US: Final = 3_600_000_000
_LOAD_MS_PER_GIB: Final = 400
_WORKER_BASE_BYTES: Final = 128 << 20
_COUNTED: Final = ("hour", "model", "name", "requests", "cold")
_ZERO: Final = ("refused", "prompt_tokens", "completion_tokens", "longest_tokens")


class History:
    """Grows by one hour at a time, once the hour is over."""

    def __init__(self, month: Month) -> None:
        self._month = month
        self._models = tuple(sorted(month.needs))
        self._columns: dict[str, list[int]] = {name: [] for name in _COUNTED}
        self._requests: Counter[str] = Counter()
        self._cold: Counter[str] = Counter()
        self._used_s: dict[str, int] = {}

    def add(
        self, hour: int, requests: Counter[str], cold: Counter[str], last: dict[str, int]
    ) -> None:
        """`last`: the second of the month at which each of them was asked for last."""
        for index, model in enumerate(self._models):
            if requests[model]:
                row = (self._month.first_hour + hour, index, index, requests[model], cold[model])
                for name, value in zip(_COUNTED, row, strict=True):
                    self._columns[name].append(value)
        self._requests.update(requests)
        self._cold.update(cold)
        self._used_s.update(last)

    def snapshot(self, hour: int, memory: Memory) -> Snapshot:
        """As it is when this hour of the month begins."""
        now = self._month.first_hour + hour
        return Snapshot(
            taken_us=now * HOUR_US,
            days=DAYS,
            host=self._host(memory),
            models={model: self._facts(model, memory) for model in self._models},
            aliases={},
            use=self._use(now - DAYS * 24),
        )

    def _use(self, since: int) -> Use:
        hours = self._columns["hour"]
        skip = next((row for row, hour in enumerate(hours) if hour >= since), len(hours))
        columns: dict[str, tuple[int | None, ...]] = dict.fromkeys(
            UseRow._fields, (None,) * (len(hours) - skip)
        )
        columns.update(dict.fromkeys(_ZERO, (0,) * (len(hours) - skip)))
        columns.update({name: tuple(column[skip:]) for name, column in self._columns.items()})
        return Use(self._models, self._models, columns)

    def _host(self, memory: Memory) -> HostFacts:
        budget = self._month.budget_bytes
        return HostFacts(
            memory_total_bytes=budget,
            memory_available_bytes=memory.free_bytes,
            models_budget_bytes=budget,
            worker_base_bytes=_WORKER_BASE_BYTES,
            disk_total_bytes=0,
            disk_free_bytes=0,
            trash_bytes=0,
            orphan_bytes=0,
            download_bytes=0,
            cache_bytes=0,
            default_context=4_096,
            default_slots=4,
            idle_ttl_s=0,
            queue_limit=64,
        )

    def _facts(self, model: str, memory: Memory) -> ModelFacts:
        need, held = self._month.needs[model], model in memory.used_at
        used_s = self._used_s.get(model)
        return ModelFacts(
            digest="0" * 64,
            size_bytes=need,
            frees_bytes=need,
            format="mlx",
            task="generate",
            quantization="4bit",
            parameters=0,
            architecture="",
            trust="pinned",
            source="pulled",
            created_us=self._month.first_hour * HOUR_US,
            max_context=4_096,
            pinned=model in memory.pinned,
            state="ready" if held else "absent",
            resident_bytes=need if held else 0,
            context=4_096 if held else None,
            slots=4 if held else None,
            terms_context=4_096,
            terms_slots=4,
            terms_idle_s=0,
            need_bytes=need,
            kv_bytes_per_token=0,
            load_ms=need * _LOAD_MS_PER_GIB >> 30,
            last_used_us=used_s and self._month.first_hour * HOUR_US + used_s * 1_000_000,
            requests=self._requests[model],
            cold=self._cold[model],
            longest_tokens=0,
            ttft_p95_ms=None,
            loads=self._cold[model],
            load_failures=0,
            evictions=memory.evictions.get(model, 0),
        )
