"""One request as it is kept: never whose text it was, nor any of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Asked:
    """What only the sums of an hour keep of a request; no row of usage and no digest has it.

    `name`: what was asked for, an alias or the model's id; empty: its id. `cold`: it had to wait
    for a load. `waited_ms`: for its turn, once the model was loaded. `longest_tokens`: of its
    longest sequence, prompt and answer; 0: of all of it.
    """

    name: str = ""
    cold: bool = False
    waited_ms: int | None = None
    longest_tokens: int = 0


@dataclass(frozen=True, slots=True)
class UsageRow:
    """One request, or the sum of `requests` of them.

    `asked`: None where the sums of the hour have it already.
    """

    request_id: str
    actor: str
    model_id: str
    digest: str
    prompt_tokens: int
    completion_tokens: int
    started_us: int
    ttft_ms: int | None
    duration_ms: int
    outcome: str
    requests: int = 1
    asked: Asked | None = Asked()
