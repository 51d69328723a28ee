"""The one place that reads settings: `$LMX_HOME/config.yaml` and the environment."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.domain.models import ALIAS
from app.domain.refusals import StartRefused
from app.evidence.notes import COSIGNATURE, VerifierKey
from app.strict_yaml import UnreadableYaml, read_mapping

DEFAULT_PORT = 1234
TEMPLATES = Path(__file__).resolve().parents[3] / "config"
"""The versioned templates; the project runs from its own checkout."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]
HostPattern = Annotated[str, Field(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]


class SinkSettings(BaseModel):
    """A further copy of the ledger, in a directory of its own: best on another volume.

    `required`: while it cannot be written, nothing that must be recorded is done. Otherwise the
    server goes on, says that it lags behind, and catches up when it can.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    directory: Path
    required: bool = False
    timeout_s: float = Field(2.0, gt=0, le=60)

    @field_validator("directory")
    @classmethod
    def absolute(cls, directory: Path) -> Path:
        if not directory.is_absolute():
            raise ValueError("give the absolute path of a directory")
        return directory


class LedgerSettings(BaseModel):
    """What can be added to the ledger's keeping; nothing here takes away from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sinks: Annotated[tuple[SinkSettings, ...], Field(max_length=8)] = ()
    witnesses: Annotated[tuple[str, ...], Field(max_length=15)] = ()
    reserve_bytes: Annotated[int, Field(ge=1 << 20, le=1 << 30)] = 64 << 20
    usage_days: Annotated[int, Field(ge=1, le=36_500)] = 180

    @field_validator("witnesses")
    @classmethod
    def verifier_keys(cls, witnesses: tuple[str, ...]) -> tuple[str, ...]:
        for witness in witnesses:
            if VerifierKey.parse(witness).type != COSIGNATURE:
                raise ValueError(f"{witness} is not a witness's key: lmx witness key prints it")
        return witnesses


class ApprovalSettings(BaseModel):
    """How long asks live and what else becomes one. Bounds hold: nothing here makes an act free.

    `asks_for`: runs that need an approval here, though they need none by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asks_for: Annotated[tuple[Literal["model_load", "model_pull"], ...], Field(max_length=2)] = ()
    require_signature: bool = False
    ask_hours: Annotated[int, Field(ge=1, le=168)] = 24
    execute_hours: Annotated[int, Field(ge=1, le=168)] = 24
    grace_hours: Annotated[int, Field(ge=1, le=8_760)] = 24
    pending_limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    asks_per_minute: Annotated[int, Field(ge=1, le=60)] = 10


class GuardrailsSettings(BaseModel):
    """How often what happens over time is sampled and asked about. There is no setting for never.

    What guardrails say is no setting: `lmx guardrails` reads, changes and explains them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tick_s: Annotated[int, Field(ge=5, le=3_600)] = 60


class AdviceSettings(BaseModel):
    """Which advisors look at how this machine is used, and how often. None of them can act.

    `every_hours` 0: only when a person runs them. `llm_model`: the alias or model that the advisor
    `llm` may ask; without it that one is not run. `goals`: for an alias, the milliseconds within
    which 95 of 100 first tokens should come.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_hours: Annotated[int, Field(ge=0, le=720)] = 24
    advisors: Annotated[
        tuple[Literal["residency", "routing", "housekeeping", "context", "llm"], ...],
        Field(max_length=5),
    ] = ("residency", "routing", "housekeeping", "context")
    llm_model: Annotated[str | None, Field(max_length=200)] = None
    goals: Annotated[
        dict[Annotated[str, Field(pattern=ALIAS)], Annotated[int, Field(ge=1, le=600_000)]],
        Field(max_length=256),
    ] = {}


class HubSettings(BaseModel):
    """Where models are pulled from, each pull confirmed by a person.

    `hosts` are those that the endpoint may send us to for a file's bytes; `*.` stands for every
    name below. `token_file` holds a token that is sent to the endpoint; without it none is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = "https://huggingface.co"
    hosts: Annotated[tuple[HostPattern, ...], Field(max_length=32)] = (
        "*.huggingface.co",
        "*.hf.co",
    )
    token_file: Path | None = None

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
        if parts.scheme != "https" and not (
            parts.scheme == "http" and _is_loopback(parts.hostname)
        ):
            raise ValueError("use https://; http:// is for an address of this machine alone")
        return endpoint.rstrip("/")

    @field_validator("token_file")
    @classmethod
    def absolute(cls, file: Path | None) -> Path | None:
        if file is not None and not file.is_absolute():
            raise ValueError("give the absolute path of a file")
        return file


class InferenceSettings(BaseModel):
    """How answers are made. `isolate_cache`: what one key's prompts left is never used for another.

    Without it a prompt that begins like somebody else's is answered sooner, and who measures the
    time can learn that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    isolate_cache: bool = False


class ResponseSettings(BaseModel):
    """Keeping responses of /v1/responses: `keep_for` names the keys; nothing is kept for others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_for: Annotated[tuple[str, ...], Field(max_length=256)] = ()
    keep_hours: Annotated[int, Field(ge=1, le=8_760)] = 24


class KeyLimits(BaseModel):
    """What one key may ask for; 0: as much as there is room for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concurrent: Annotated[int, Field(ge=0, le=10_000)] = 0
    per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class LimitSettings(KeyLimits):
    """How much is held at once, and how long a slow client is waited for.

    `concurrent`, `per_minute`: for each key, and for all who use none together; `keys` says it for
    a key by its name. Authority routes, probes and reads of the ledger are never limited by them.
    """

    keys: Annotated[dict[str, KeyLimits], Field(max_length=256)] = {}
    connections: Annotated[int, Field(ge=16, le=100_000)] = 4096
    header_timeout_s: Annotated[float, Field(ge=1, le=600)] = 15
    body_timeout_s: Annotated[float, Field(ge=1, le=600)] = 30
    read_timeout_s: Annotated[float, Field(ge=1, le=3_600)] = 120


def _is_loopback(host: str | None) -> bool:
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


class Settings(BaseModel):
    """Every setting, with the default that `config/config.yaml` shows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    host: str = "127.0.0.1"
    port: int = Field(DEFAULT_PORT, ge=0, le=65_535)
    allowed_hosts: tuple[str, ...] = ()
    inference_requires_key: bool = False
    preload: tuple[str, ...] = ("default",)
    default_context: int = Field(4096, ge=1)
    slots: int = Field(4, ge=1, le=64)
    queue_limit: int = Field(64, ge=0, le=10_000)
    idle_ttl_s: float = Field(3600, ge=0)
    request_timeout_s: Seconds = 600
    load_timeout_s: Seconds = 600
    drain_timeout_s: Seconds = 30
    worker_silence_s: Seconds = 30
    crash_limit: int = Field(3, ge=1, le=5)
    worker_base_bytes: int = Field(128 << 20, ge=0)
    max_body_bytes: int = Field(8 << 20, ge=1024, le=1 << 30)
    inference: InferenceSettings = InferenceSettings()
    responses: ResponseSettings = ResponseSettings()
    limits: LimitSettings = LimitSettings()
    ledger: LedgerSettings = LedgerSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    guardrails: GuardrailsSettings = GuardrailsSettings()
    advice: AdviceSettings = AdviceSettings()
    hub: HubSettings = HubSettings()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("host")
    @classmethod
    def only_loopback(cls, host: str) -> str:
        """Rule C08: no configuration can bind to anything but loopback."""
        if not _is_loopback(host):
            raise ValueError("the server binds to loopback only: use 127.0.0.1 or ::1")
        return host


def home_directory() -> Path:
    """`$LMX_HOME`, by default `~/.lmx`."""
    return Path(os.environ.get("LMX_HOME") or "~/.lmx").expanduser().absolute()


def load_settings(home: Path, *, port: int | None = None) -> Settings:
    """Read `home/config.yaml` over the defaults; raises StartRefused naming every bad entry."""
    path = home / "config.yaml"
    try:
        values = read_mapping(path) if path.exists() else {}
    except UnreadableYaml as error:
        raise StartRefused(str(error)) from None
    if port is not None:
        values["port"] = port
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = (
            f"  {'.'.join(str(part) for part in e['loc']) or 'file'}: {e['msg']}"
            for e in error.errors()
        )
        raise StartRefused(f"{path} cannot be used:\n" + "\n".join(lines)) from None
