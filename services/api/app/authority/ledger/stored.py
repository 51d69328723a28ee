"""An event as it was read back: its bytes, what they say, and whether they are still the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from app.evidence.merkle import leaf_hash


@dataclass(frozen=True)
class StoredEvent:
    """One row of the log. Everything but `seq` and `leaf` is taken from the body itself."""

    seq: int
    event_id: str
    body: bytes
    leaf: bytes

    @cached_property
    def fields(self) -> Mapping[str, Any]:
        """The parsed body; empty when the bytes are not JSON any more."""
        try:
            parsed = orjson.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @cached_property
    def intact(self) -> bool:
        """Whether the body still has its leaf hash, and names this very place in the log."""
        same_place = self.fields.get("seq") == self.seq
        same_id = self.fields.get("event_id") == self.event_id
        return leaf_hash(self.body) == self.leaf and same_place and same_id

    @property
    def kind(self) -> str:
        return str(self.fields.get("kind", "unreadable"))

    @property
    def actor(self) -> str:
        actor = self.fields.get("actor")
        return str(actor.get("id", "")) if isinstance(actor, dict) else ""

    @property
    def subject(self) -> str:
        return str(self.fields.get("subject", ""))

    @property
    def outcome(self) -> str | None:
        value = self.fields.get("outcome")
        return None if value is None else str(value)

    @property
    def ts_utc_us(self) -> int:
        value = self.fields.get("ts_utc_us")
        return value if isinstance(value, int) else 0

    @property
    def boot_id(self) -> str:
        return str(self.fields.get("boot_id", ""))

    @property
    def intent_seq(self) -> int | None:
        value = self.fields.get("intent_seq")
        return value if isinstance(value, int) else None

    @property
    def data(self) -> Mapping[str, Any]:
        value = self.fields.get("data")
        return value if isinstance(value, dict) else {}

    def as_dict(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "event_id": self.event_id,
            "ts_utc_us": self.ts_utc_us,
            "kind": self.kind,
            "actor": self.actor,
            "subject": self.subject,
            "outcome": self.outcome,
            "leaf": self.leaf.hex(),
            "intact": self.intact,
            "body": dict(self.fields),
        }
