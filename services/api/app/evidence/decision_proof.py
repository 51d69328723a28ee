"""The proof that whoever decides holds the approver's key at that moment. Pure.

The server keeps the SHA-256 of a key's secret; both sides can compute this HMAC, nobody else can.
It covers the decision, the plan's hash and a challenge that the server gave out for this one use.
"""

import hashlib
import hmac
from typing import Final

CONTEXT: Final = b"lmx-authority/decision/v1"


def decision_proof(secret_sha256: bytes, *, decision: str, plan_hash: str, challenge: str) -> bytes:
    """HMAC-SHA256 (32 bytes) keyed with the SHA-256 of the key's secret (32 bytes).

    The message is the context, `approve`, `reject` or `veto`, the plan's hash as hex and the
    challenge, separated by NUL, which none of them holds.
    """
    parts = (decision, plan_hash, challenge)
    message = b"\0".join([CONTEXT, *(part.encode() for part in parts)])
    return hmac.new(secret_sha256, message, hashlib.sha256).digest()
