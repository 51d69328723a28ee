"""The sections of `config.yaml`. A section's description and its keys' are the template's comments.

They are all that there is to read about a setting: the template, the JSON Schema and
docs/configuration.md are made from them.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.domain.models import ALIAS
from app.evidence.notes import COSIGNATURE, VerifierKey

STRICT: Final = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

HostPattern = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Goal = Annotated[int, Field(ge=1, le=600_000)]


class Section(BaseModel):
    model_config = STRICT


class InferenceSettings(Section):
    """How answers are made."""

    isolate_cache: bool = Field(
        default=False,
        description="true remembers prompts for each key apart. Otherwise a prompt that begins "
        "like another key's is answered sooner, and who measures the time can learn that.",
    )


class ResponseSettings(Section):
    """Nothing of an answer is kept, unless a client asks /v1/responses to keep it and its key is
    named here. What is kept is text, in lmx.db, until the client deletes it.
    """

    keep_for: Annotated[tuple[str, ...], Field(max_length=256)] = Field(
        default=(),
        description="keys for which responses are kept, by the name that `lmx keys ls` shows",
    )
    keep_hours: int = Field(
        default=24, ge=1, le=8_760, description="for how many hours they are kept"
    )


class KeyLimits(Section):
    """What one key may ask for."""

    concurrent: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="requests for answers at once; 0: as many as there is room",
    )
    per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="requests for answers in a minute, after a quiet one all of them at once; "
        "0: any number",
    )


class LimitSettings(KeyLimits):
    """What one client may take, and how long slow ones are waited for. What is over a limit is
    answered with 429. Authority routes, probes and reads of the ledger have no limit.
    """

    concurrent: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="requests for answers at once, for each key, and for all who send none "
        "together; 0: as many as there is room for",
    )
    per_minute: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="the same in a minute: after a quiet minute all of them at once, then evenly; "
        "0: any number",
    )
    keys: Annotated[dict[str, KeyLimits], Field(max_length=256)] = Field(
        default={},
        description="the same for single keys, by name: "
        "`keys: {nightly-bot: {concurrent: 2, per_minute: 60}}`",
    )
    connections: int = Field(
        default=4096,
        ge=16,
        le=100_000,
        description="open at once; for a further one those that ask nothing make room, the oldest "
        "first, and where all wait for answers it is answered with 429",
    )
    header_timeout_s: float = Field(
        default=15, ge=1, le=600, description="seconds that a request's head may take"
    )
    body_timeout_s: float = Field(
        default=30, ge=1, le=600, description="seconds between two pieces of a request's body"
    )
    read_timeout_s: float = Field(
        default=120,
        ge=1,
        le=3_600,
        description="seconds for a client that takes nothing of its answer",
    )


class SinkSettings(Section):
    """A further copy of the ledger, in a directory of its own: best on another volume."""

    directory: Path = Field(description="an absolute path")
    required: bool = Field(
        default=False,
        description="while it cannot be written, nothing that must be recorded is done; otherwise "
        "the server goes on, says that it lags behind, and catches up",
    )
    timeout_s: float = Field(default=2.0, gt=0, le=60, description="seconds that a write may take")

    @field_validator("directory")
    @classmethod
    def absolute(cls, directory: Path) -> Path:
        if not directory.is_absolute():
            raise ValueError("give the absolute path of a directory")
        return directory


class LedgerSettings(Section):
    """The ledger always has one copy beside the database, LMX_HOME/ledger/events.jsonl. Nothing
    here takes away from how it is kept.
    """

    sinks: Annotated[tuple[SinkSettings, ...], Field(max_length=8)] = Field(
        default=(),
        description="further copies, each in a directory of its own, best on another volume: "
        "`- {directory: /Volumes/other/lmx-ledger, required: false, timeout_s: 2.0}`; "
        "required: true does nothing that must be recorded while that copy cannot be written",
    )
    witnesses: Annotated[tuple[str, ...], Field(max_length=15)] = Field(
        default=(), description="keys of those who cosign checkpoints; `lmx witness key` prints one"
    )
    reserve_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        le=1 << 30,
        description="kept free for refusals and the last record when the disk is full",
    )
    usage_days: int = Field(
        default=180,
        ge=1,
        le=36_500,
        description="how long single requests stay in the usage table (their hourly sums stay "
        "longer)",
    )

    @field_validator("witnesses")
    @classmethod
    def verifier_keys(cls, witnesses: tuple[str, ...]) -> tuple[str, ...]:
        for witness in witnesses:
            if VerifierKey.parse(witness).type != COSIGNATURE:
                raise ValueError(f"{witness} is not a witness's key: lmx witness key prints it")
        return witnesses


class ApprovalSettings(Section):
    """What needs an approval needs it whatever stands here; this can only ask for more."""

    asks_for: Annotated[tuple[Literal["model_load", "model_pull"], ...], Field(max_length=2)] = (
        Field(
            default=(),
            description="runs that become asks too: model_load (also on demand), model_pull",
        )
    )
    require_signature: bool = Field(
        default=False, description="models enter the store only with a signature that holds"
    )
    ask_hours: int = Field(
        default=24, ge=1, le=168, description="how long an ask waits for an approval"
    )
    execute_hours: int = Field(
        default=24, ge=1, le=168, description="how long an approval waits to be used"
    )
    grace_hours: int = Field(
        default=24,
        ge=1,
        le=8_760,
        description="how long a deleted model can be restored before its bytes go",
    )
    pending_limit: int = Field(
        default=100, ge=1, le=1_000, description="asks that may be open; one more is refused (429)"
    )
    asks_per_minute: int = Field(
        default=10, ge=1, le=60, description="more asks than that are refused"
    )


class GuardrailsSettings(Section):
    """What guardrails say is no setting: see `lmx guardrails`."""

    tick_s: int = Field(
        default=60,
        ge=5,
        le=3_600,
        description="every so many seconds what happens over time is sampled, and guardrails that "
        "watch it are asked",
    )


class AdviceSettings(Section):
    """Advisors look at how models are used and propose; nothing follows until a person accepts."""

    every_hours: int = Field(
        default=24, ge=0, le=720, description="how often they look; 0: only on `lmx advice run`"
    )
    advisors: Annotated[
        tuple[Literal["residency", "routing", "housekeeping", "context", "llm"], ...],
        Field(max_length=5),
    ] = Field(
        default=("residency", "routing", "housekeeping", "context"),
        description="of residency, routing, housekeeping, context, llm (which needs llm_model)",
    )
    llm_model: Annotated[str | None, Field(max_length=200)] = Field(
        default=None, description="the alias or model that the advisor llm may ask"
    )
    goals: Annotated[dict[Annotated[str, Field(pattern=ALIAS)], Goal], Field(max_length=256)] = (
        Field(
            default={},
            description="for an alias, within how many milliseconds 95 of 100 first tokens should "
            "come: `goals: {default: 500}`",
        )
    )


class HubSettings(Section):
    """Where `lmx models pull` downloads from; nothing else ever connects to another machine."""

    endpoint: str = Field(
        default="https://huggingface.co",
        description="the hub's address; http:// only for an address of this machine (a mirror)",
    )
    hosts: Annotated[tuple[HostPattern, ...], Field(max_length=32)] = Field(
        default=("*.huggingface.co", "*.hf.co"),
        description='where the hub may send us for a file\'s bytes; "*." stands for every name '
        "below",
    )
    token_file: Path | None = Field(
        default=None,
        description="a file with the token that is sent to the endpoint; null sends none",
    )

    @field_validator("endpoint")
    @classmethod
    def encrypted_or_here(cls, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        try:
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.username or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("give the address alone, as in https://huggingface.co")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
            raise ValueError("use https://; http:// is for an address of this machine alone")
        return endpoint.rstrip("/")

    @field_validator("token_file")
    @classmethod
    def absolute(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_absolute():
            raise ValueError("give the absolute path of a file")
        return file


def is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
