"""Which walls are left out: none. Tests that show one wall without another bundle another file in
the place of this; no order, argument or environment of the server's can do that."""

from typing import Final

WITHOUT: Final[frozenset[str]] = frozenset()
