"""What the settings say of how much is held at once, asked anew each time: a reload changes it."""

from app.authority.limits import Allowance, Limits
from app.authority.ports import Clock
from app.configuration.current import Current
from app.domain.actors import Actor
from app.routers.patience import IDLE_S, Patience


def client_patience(current: Current) -> Patience:
    limits = current.settings.limits
    return Patience(
        header_s=limits.header_timeout_s,
        body_s=limits.body_timeout_s,
        read_s=limits.read_timeout_s,
        idle_s=IDLE_S,
        connections=limits.connections,
    )


def key_limits(current: Current, clock: Clock) -> Limits:
    """What each key may ask for: its own limits where the settings name it, else those of all."""

    def allowance(actor: Actor) -> Allowance:
        limits = current.settings.limits
        mine = limits.keys.get(actor.name, limits)
        return Allowance(mine.concurrent, mine.per_minute)

    return Limits(allowance, clock.monotonic)
