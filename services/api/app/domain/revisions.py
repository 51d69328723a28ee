"""The database's schemas that this release knows: what it opens, upgrades, backs up, puts back."""

from typing import Final

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""Every schema revision, oldest first; a test compares it with `migrations/versions`."""
