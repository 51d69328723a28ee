"""Puts downloads together: the one door to the hub, and the use case behind it."""

from functools import partial
from pathlib import Path

from app.authority.catalog.publishing import Publishing
from app.authority.catalog.repairing import Repairing
from app.authority.catalog.shipped import Shipped
from app.authority.lifecycle.serving import Serving
from app.authority.policy.admitting import AskInstead
from app.authority.policy.decisions import PolicyDecisionPoint
from app.authority.ports import Hub, MemoryProbe
from app.authority.pulling import Machine, Pulling, PullingPorts, Repairs
from app.domain.refusals import HubRefused
from app.engines.hub import HuggingFaceHub
from app.settings import HubSettings, Settings
from app.wiring.opening import CHECKOUT, Authority

MAX_TOKEN_BYTES = 4096


def hub_of(settings: HubSettings, version: str) -> Hub:
    """Nothing is connected to before somebody plans a pull."""
    file = settings.token_file
    return HuggingFaceHub(
        endpoint=settings.endpoint,
        hosts=settings.hosts,
        version=version,
        token=partial(_token, file),
        sends_token=file is not None,
    )


def pulling(  # noqa: PLR0917 - the parts it joins
    settings: Settings,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    hub: Hub,
    policy: PolicyDecisionPoint,
    asks: AskInstead,
) -> Pulling:
    return Pulling(
        PullingPorts(
            hub=hub,
            catalog=authority.catalog,
            publishing=Publishing(
                authority.catalog, authority.ledger, authority.database, authority.clock
            ),
            ledger=authority.ledger,
            clock=authority.clock,
            policy=policy,
            machine=Machine(
                probe=probe,
                verdict=serving.admission.verdict,
                worker_base_bytes=lambda: serving.loading.worker_base_bytes,
                default_context=settings.default_context,
                default_slots=settings.slots,
            ),
            asks=asks,
            signers=authority.catalog.signers,
        )
    )


def repairs(authority: Authority, serving: Serving, pulls: Pulling) -> Repairs:
    return Repairs(
        pulls.ports,
        pulls,
        Repairing(authority.catalog, authority.database),
        Shipped(CHECKOUT, authority.catalog.known),
        serving,
    )


def _token(file: Path | None) -> str | None:
    """The token as the file holds it now. Raises HubRefused."""
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            found = opened.read(MAX_TOKEN_BYTES).decode("ascii").strip()
    except (OSError, UnicodeError) as error:
        raise HubRefused(
            f"hub.token_file ({file}) cannot be read as a token. Nothing was asked."
        ) from error
    if not found.isprintable() or " " in found:
        raise HubRefused(f"hub.token_file ({file}) holds no token. Nothing was asked.")
    return found or None
