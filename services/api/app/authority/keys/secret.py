"""The only place that makes, splits and hashes a key's secret. Pure but for the randomness.

A secret is ``lmx_<id>_<43 characters>``: 256 random bits, so that one SHA-256 keeps it safe at
rest. The id is public: it is in lists, in the ledger and in logs.
"""

import hashlib
import re
import secrets
from typing import Final

MAX_LENGTH: Final = 64
_OF_PLAN: Final = b"lmx key of plan v1\0"
_SHAPE: Final = re.compile(r"lmx_([0-9a-f]{8})_[0-9A-Za-z_-]{43}", re.ASCII)


def new_id() -> str:
    return secrets.token_hex(4)


def id_of_plan(plan_hash: str) -> str:
    """The id of the key that this plan makes: the same at every try, another for every plan."""
    return hashlib.sha256(_OF_PLAN + plan_hash.encode("ascii")).hexdigest()[:8]


def new_secret(key_id: str) -> str:
    return f"lmx_{key_id}_{secrets.token_urlsafe(32)}"


def id_in(secret: str) -> str | None:
    """Return the key id that `secret` names; None when it has not the shape of one."""
    if len(secret) > MAX_LENGTH:
        return None
    match = _SHAPE.fullmatch(secret)
    return None if match is None else match.group(1)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
