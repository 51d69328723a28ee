"""Downloads from a hub: planned, confirmed by a person, verified, and recorded."""

from app.authority.pulling.approved import ApprovedPulls
from app.authority.pulling.downloads import Pulling
from app.authority.pulling.ports import Machine, PullingPorts
from app.authority.pulling.repairing import Repairs

__all__ = ["ApprovedPulls", "Machine", "Pulling", "PullingPorts", "Repairs"]
