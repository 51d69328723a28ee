"""Copies of the ledger outside its database: every event and checkpoint, in append-only files."""

from app.authority.ledger.sinks.set import Sinks, further_sink, own_sink
from app.authority.ledger.sinks.values import SinkChange, SinkState

__all__ = ["SinkChange", "SinkState", "Sinks", "further_sink", "own_sink"]
