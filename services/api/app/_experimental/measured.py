"""What rows of use say together, gathered in one pass. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from app.domain.advice.snapshot import Use

Whole = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of one model, or under one name.

    `warm`: for each hour in which nothing had to wait for a load, the milliseconds within which 95
    of 100 first tokens came, and how many requests there were. Of names alone.
    """

    requests: int = 0
    prompt_tokens: int = 0
    longest_tokens: int = 0
    warm: tuple[tuple[int, int], ...] = ()

    def usual_ms(self) -> int | None:
        """The middle one of the hours' figures, hours with more requests counting for more."""
        half = sum(count for _, count in self.warm) / 2
        passed = 0
        for ms, count in sorted(self.warm):
            passed += count
            if passed >= half:
                return ms
        return None

    def prompts_at_most(self, times: int, other: "Asked") -> bool:
        """Whether prompts are on average no more than `times` as long; so, where nothing is
        known of either."""
        if not self.requests or not other.requests:
            return True
        return self.prompt_tokens * other.requests <= times * other.prompt_tokens * self.requests


NOTHING: Final = Asked()


@dataclass(frozen=True, slots=True)
class Totals:
    """What was asked; who was never asked is not there."""

    by_model: Mapping[str, Asked]
    by_name: Mapping[str, Asked]

    def of_model(self, model: str) -> Asked:
        return self.by_model.get(model, NOTHING)

    def of_name(self, name: str) -> Asked:
        return self.by_name.get(name, NOTHING)


def totals(use: Use, names: Mapping[str, str]) -> Totals:
    """Of every model; and of these names, what the model that each is given with was asked.

    Over columns as they are: rows as objects take several times as long.
    """
    return Totals(_of_models(use), _of_names(use, names))


def _of_models(use: Use) -> dict[str, Asked]:
    asked, read = [0] * len(use.models), [0] * len(use.models)
    columns = (_whole(use, name) for name in ("model", "requests", "prompt_tokens"))
    for model, requests, tokens in zip(*columns, strict=True):
        asked[model] += requests
        read[model] += tokens
    return {
        model: Asked(requests, tokens)
        for model, requests, tokens in zip(use.models, asked, read, strict=True)
    }


def _of_names(use: Use, names: Mapping[str, str]) -> dict[str, Asked]:
    at_model = {model: at for at, model in enumerate(use.models)}
    wanted = {at: at_model.get(names[name]) for at, name in enumerate(use.names) if name in names}
    places: dict[int, list[int]] = {at: [] for at in wanted}
    for row, (name, model) in enumerate(
        zip(_whole(use, "name"), _whole(use, "model"), strict=True)
    ):
        if name in wanted and wanted[name] == model:
            places[name].append(row)
    return {use.names[at]: _of_rows(use, rows) for at, rows in places.items()}


def _of_rows(use: Use, rows: Sequence[int]) -> Asked:
    requests, cold = _whole(use, "requests"), _whole(use, "cold")
    prompts, longest = _whole(use, "prompt_tokens"), _whole(use, "longest_tokens")
    first = use.columns["ttft_p95_ms"]
    return Asked(
        requests=sum(requests[row] for row in rows),
        prompt_tokens=sum(prompts[row] for row in rows),
        longest_tokens=max((longest[row] for row in rows), default=0),
        warm=tuple(
            (ms, requests[row]) for row in rows if not cold[row] and (ms := first[row]) is not None
        ),
    )


def _whole(use: Use, column: str) -> Whole:
    """A column in which nothing is left out, as all are but those of percentiles."""
    return cast(Whole, use.columns[column])
