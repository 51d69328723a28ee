"""Keys: who may present themselves as whom. Secrets are shown once and kept as hashes."""

from app.authority.keys.operator_file import OperatorKey
from app.authority.keys.people import People
from app.authority.keys.person import NewPerson, Person
from app.authority.keys.store import Keys
from app.authority.keys.values import Key, NewKey

__all__ = ["Key", "Keys", "NewKey", "NewPerson", "OperatorKey", "People", "Person"]
