"""Plans for tests of what people see."""

from typing import Any

from app.authority.approvals.plans import Asked, Drawn, Plan, plan
from app.domain.actors import Actor, Role

ASKER = Actor("key:0123abcd", "bot", frozenset({Role.OPERATOR}), "p-0a1b2c3d")
NOON_US = 1_790_000_000_000_000


def drawn(**changed: Any) -> Drawn:
    known: dict[str, Any] = {
        "subject": "acme/tiny",
        "verb": "delete",
        "phrase": "yes, delete acme/tiny",
        "irreversible": True,
        "targets": ({"kind": "model", "id": "acme/tiny", "digest": "ab" * 32},),
        "files": (file(0), file(1)),
        "bytes_freed": 5_242_880,
        "bytes_kept": 1_024,
        "dependents": {"aliases": ["default"], "in_flight": 0, "pinned": False},
        "again": "hf:acme/tiny@0123456789ab",
        "generation": 3,
        "grace_s": 86_400,
    }
    return Drawn(**known | changed)


def file(number: int) -> dict[str, Any]:
    return {
        "path": f"part-{number:05}.safetensors",
        "size": 1_048_576,
        "sha256": f"{number:064x}",
        "fate": "trash",
    }


def planned(reason: str = "It is not used any more.", **changed: Any) -> Plan:
    asked = Asked(
        act="model_delete",
        actor=ASKER,
        reason=reason,
        policy_hash="cd" * 32,
        nonce="n0",
        created_us=NOON_US,
        approve_by_us=NOON_US + 86_400_000_000,
        execute_by_us=NOON_US + 2 * 86_400_000_000,
    )
    return plan(asked, drawn(**changed))
