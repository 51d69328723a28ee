"""How a record lies in its row: deflated, with what all records have in common left out.

A row of the tick takes half a kilobyte instead of one and a half. Nothing depends on it: digests
are those of the record, and what cannot be unpacked is given as it lies there, which is then no
record that its digest names.
"""

import zlib
from typing import Final

COMMON: Final = (
    b'"alert",true,null,[null]],["alert",false,"no_match",[null]],["block",true,null,[null,null]],'
    b'["require_approval",false,"insufficient_history",[null]],"unknown_label","zero_variance",'
    b'"threshold_zero","change_from_zero","model:","actor:key:","system","pull","delete","purge",'
    b'"rebind","model_size":,"model_licence":null,"model_quantization":null,"model_publisher":"",'
    b'"model_source":"hub","model_trust":"verified","days_since_verified":,"on_demand":false,'
    b'"bytes_freed":,"irreversible":false,"percentile@1",{"direction":"top","value":,"window":86400'
    b'},{"n":,"quantile":,"z_score@1",{"window":604800},{"mean":,"n":,"std":'
    b'{"actor":"key:","at_us":17,"errors":[],"guardrails":"","outcome":"allow","point":"load",'
    b'"readings":{"model_format":"safetensors","model_memory_share":0.,"actor":"","at_us":17,'
    b'"errors":[],"guardrails":"","outcome":"allow","point":"tick","readings":{"approvals_pending"'
    b':0,"blocked_attempts":0,"deletes_asked":0,"error_rate":[null,"null_input"],"evictions":0,'
    b'"latency":[null,"null_input"],"load_failures":0,"memory_headroom":,"memory_pressure":0.,'
    b'"queue_depth":0,"sink_lag":0,"tokens_per_second":[null,"null_input"]},"rules":"",'
    b'"rules_here":"","subject":"","summaries":[["blocked_attempts","change@1",{"window":3600},'
    b'{"n":1,"reference":0.0}]],"unasked":[],"v":1,"verdicts":[["","alert",false,"no_match",'
    b'[null,null]]],"whole":"'
)
"""What rows were packed with: another one could not be unpacked any more."""

LARGEST: Final = 1 << 26
_PACKED: Final = b"\x01"
"""How a packed record begins; one that is not begins with a brace."""


def packed(record: bytes) -> bytes:
    deflating = zlib.compressobj(zdict=COMMON)
    return _PACKED + deflating.compress(record) + deflating.flush()


def unpacked(stored: bytes) -> bytes:
    """The record; what is no packed one as it is."""
    if not stored.startswith(_PACKED):
        return stored
    inflating = zlib.decompressobj(zdict=COMMON)
    try:
        record = inflating.decompress(stored[1:], LARGEST)
    except zlib.error:
        return stored
    return record if inflating.eof else stored
