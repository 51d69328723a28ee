"""The signer: it remembers what it signed, outside the database, and signs only what extends that.

`signer` is the door; `opening` decides what the files on the disk amount to, `memory`, `slots` and
`keys` are those files, `agreement` compares the signer with a database. All of it lies in one
directory, which belongs into every backup together with the database.
"""

from app.authority.ledger.signing.agreement import agrees
from app.authority.ledger.signing.signer import Signer

__all__ = ["Signer", "agrees"]
