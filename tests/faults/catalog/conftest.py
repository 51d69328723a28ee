"""The catalog's fixtures, for imports that fail."""

from tests.unit.catalog.conftest import (  # noqa: F401 - fixtures are found by name
    catalog,
    engine,
    known,
    ledger,
    may,
    store,
    take,
)
