"""Bounded values for labels."""

import hashlib
import threading
from typing import Final

from app.routers.measuring.series import MOST_MODELS

OTHER: Final = "other"

SURFACES: Final = (
    ("/v1/messages", "anthropic"),
    ("/v1", "openai"),
    ("/api/", "lmstudio"),
    ("/authority", "authority"),
    ("/advisory", "advisory"),
    ("/healthz", "probes"),
    ("/readyz", "probes"),
    ("/metrics", "probes"),
    ("", OTHER),
)
"""The surface of a path: the first prefix that fits."""

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def surface_of(path: str) -> str:
    return next(surface for prefix, surface in SURFACES if path.startswith(prefix))


def method_of(method: str) -> str:
    """An invented method must not become a new time series."""
    return method if method in _METHODS else OTHER


class Models:
    """Labels for models: the first hundred ids that are met, then `other`.

    Where inference needs a key, ids are nothing that everybody may read, and /metrics asks for no
    key: then a model is named by the beginning of its id's SHA-256.
    """

    def __init__(self, *, named: bool = True) -> None:
        self._named = named
        self._labels: dict[str, str] = {}
        self._adding = threading.Lock()

    def label(self, model_id: str) -> str:
        known = self._labels.get(model_id)
        return known if known is not None else self._added(model_id)

    def _added(self, model_id: str) -> str:
        with self._adding:
            if model_id not in self._labels and len(self._labels) >= MOST_MODELS:
                return OTHER
            return self._labels.setdefault(model_id, self._shown(model_id))

    def _shown(self, model_id: str) -> str:
        if self._named:
            return model_id
        return f"model-{hashlib.sha256(model_id.encode()).hexdigest()[:12]}"
