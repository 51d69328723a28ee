"""Signs files as OpenSSF model signing does, with a key made for the test."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.authority.catalog.signatures import (
    BUNDLE,
    PAYLOAD,
    PREDICATE,
    STATEMENT,
    Signer,
    signer,
)


@dataclass(frozen=True)
class Publisher:
    """Whoever signs models."""

    name: str = "acme"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    @property
    def pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @property
    def signer(self) -> Signer:
        return signer(self.name, self.pem)

    def signature(self, files: Mapping[str, bytes]) -> bytes:
        digests = {path: hashlib.sha256(files[path]) for path in sorted(files)}
        root = hashlib.sha256(b"".join(d.digest() for d in digests.values())).hexdigest()
        resources = [
            {"name": path, "algorithm": "sha256", "digest": d.hexdigest()}
            for path, d in digests.items()
        ]
        statement = {
            "_type": STATEMENT,
            "predicateType": PREDICATE,
            "subject": [{"name": "model", "digest": {"sha256": root}}],
            "predicate": {
                "serialization": {"method": "files", "hash_type": "sha256"},
                "resources": resources,
            },
        }
        payload = json.dumps(statement).encode()
        signed = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)
        made = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(made).decode()}],
        }
        hint = hashlib.sha256(self.pem).hexdigest()
        bundle = {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": hint}},
            "dsseEnvelope": envelope,
        }
        return json.dumps(bundle).encode()
