"""What the settings say of how much is held at once, asked anew each time: a reload changes it."""

from app.configuration.current import Current
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
