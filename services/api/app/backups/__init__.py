"""Backups of the whole state: made, verified, and put back so that it cannot pass for the original.

`create` makes one of a home whose server runs or is stopped; `verify` reads one to its last byte.
Nothing here decides who may: the command line asks a person.
"""

from app.backups.contents import Manifest
from app.backups.creating import Made, create
from app.backups.verifying import Verified, verify

__all__ = ["Made", "Manifest", "Verified", "create", "verify"]
