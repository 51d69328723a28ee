"""Every setting there is, with its default; `app.configuration` reads them from `config.yaml`."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from app.settings.sections import (
    STRICT,
    AdviceSettings,
    ApprovalSettings,
    GuardrailsSettings,
    HubSettings,
    InferenceSettings,
    KeyLimits,
    LedgerSettings,
    LimitSettings,
    ResponseSettings,
    SinkSettings,
    is_loopback,
)

__all__ = [
    "DEFAULT_PORT",
    "TEMPLATES",
    "AdviceSettings",
    "ApprovalSettings",
    "GuardrailsSettings",
    "HubSettings",
    "InferenceSettings",
    "KeyLimits",
    "LedgerSettings",
    "LimitSettings",
    "ResponseSettings",
    "Settings",
    "SinkSettings",
    "home_directory",
]

DEFAULT_PORT = 1234
TEMPLATES = Path(__file__).resolve().parents[4] / "config"
"""The versioned templates; the project runs from its own checkout."""

_NAME = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_-]+(\.[a-z0-9_-]+)*)(:[0-9]{1,5})?")
"""A name, or an address, as it stands in `Host`."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseModel):
    """What `config.yaml` may say. Each description is a comment of the template."""

    model_config = STRICT

    version: Literal[1] = Field(default=1, description="The form of this file.")
    host: str = Field(
        default="127.0.0.1",
        description="The address that is listened on: one of loopback's, 127.0.0.1 or ::1.",
    )
    port: int = Field(
        default=DEFAULT_PORT,
        ge=0,
        le=65_535,
        description="The port clients expect (LM Studio's). Another port is a recorded override "
        "of rule G-DEPLOY-02.",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Further names under which a reverse proxy or tunnel on this machine may "
        "call, besides loopback's.",
    )
    inference_requires_key: bool = Field(
        default=False,
        description="Inference on loopback is open, as LM Studio's is. true: every request needs "
        "a key.",
    )
    preload: tuple[str, ...] = Field(
        default=("default",),
        description="Models brought into memory right after the start, by id or alias; others "
        "load when asked for.",
    )
    default_context: int = Field(
        default=4096, ge=1, description="Context in tokens for a model nobody set otherwise."
    )
    slots: int = Field(
        default=4, ge=1, le=64, description="Sequences at once for a model nobody set otherwise."
    )
    queue_limit: int = Field(
        default=64,
        ge=0,
        le=10_000,
        description="Requests that may wait for one model; one more is answered with 429 and "
        "Retry-After.",
    )
    idle_ttl_s: float = Field(
        default=3600,
        ge=0,
        description="Unload models nobody has used for this many seconds; 0 keeps them.",
    )
    request_timeout_s: Seconds = Field(
        default=600, description="The longest a request may take, in seconds, waiting included."
    )
    load_timeout_s: Seconds = Field(
        default=600, description="The longest a load may take, in seconds."
    )
    drain_timeout_s: Seconds = Field(
        default=30,
        description="The longest that an unload waits for answers under way, in seconds.",
    )
    worker_silence_s: Seconds = Field(
        default=30,
        description="A worker process that says nothing for this many seconds has hung and is "
        "killed.",
    )
    crash_limit: int = Field(
        default=3,
        ge=1,
        le=5,
        description="A model whose worker crashes this many times in a row is quarantined.",
    )
    worker_base_bytes: int = Field(
        default=128 << 20,
        ge=0,
        description="What a worker process takes before it loads anything, in bytes, until one "
        "has been measured.",
    )
    max_body_bytes: int = Field(
        default=8 << 20, ge=1024, le=1 << 30, description="The largest request body in bytes."
    )
    inference: InferenceSettings = InferenceSettings()
    responses: ResponseSettings = ResponseSettings()
    limits: LimitSettings = LimitSettings()
    ledger: LedgerSettings = LedgerSettings()
    approvals: ApprovalSettings = ApprovalSettings()
    guardrails: GuardrailsSettings = GuardrailsSettings()
    advice: AdviceSettings = AdviceSettings()
    hub: HubSettings = HubSettings()
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What goes into LMX_HOME/logs: this and what is graver."
    )

    @field_validator("host")
    @classmethod
    def only_loopback(cls, host: str) -> str:
        """Rule C08: no configuration can bind to anything but loopback."""
        if not is_loopback(host):
            raise ValueError("the server binds to loopback only: use 127.0.0.1 or ::1")
        return host

    @field_validator("allowed_hosts")
    @classmethod
    def only_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        """What no `Host` can ever equal would allow nothing, or less than its author thinks."""
        for host in hosts:
            if not _NAME.fullmatch(host.lower()):
                raise ValueError(
                    f"{host!r} is no host name: write lmx.example.org, or lmx.example.org:8443 for "
                    "one port; no scheme, no path and no *"
                )
        return hosts


def home_directory() -> Path:
    """`$LMX_HOME`, by default `~/.lmx`."""
    return Path(os.environ.get("LMX_HOME") or "~/.lmx").expanduser().absolute()


def supervisor_address() -> str:
    """The socket by which systemd, where it started this process, is told how it is; or ""."""
    return os.environ.get("NOTIFY_SOCKET", "")
