"""Downloads from a hub: planned, confirmed by a person, verified, and recorded."""

from app.authority.pulling.approved import ApprovedPulls
from app.authority.pulling.downloads import Machine, Pulling, PullingPorts

__all__ = ["ApprovedPulls", "Machine", "Pulling", "PullingPorts"]
