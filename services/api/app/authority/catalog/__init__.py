"""What is in the store, where it came from and whether its bytes are still the same."""

from app.authority.catalog.inspection import inspect_directory
from app.authority.catalog.intake import ImportProgress
from app.authority.catalog.known import KnownModel, KnownModels, known_models
from app.authority.catalog.store import Catalog

__all__ = [
    "Catalog",
    "ImportProgress",
    "KnownModel",
    "KnownModels",
    "inspect_directory",
    "known_models",
]
