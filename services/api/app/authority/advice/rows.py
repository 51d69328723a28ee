"""A proposal as a row of the table, and back. Pure.

A row is another program's to change. What it says is believed only where its bytes have the hash
that it names, are a proposal, and are about what it is filed under; any other row is `Damaged`.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from app.authority.advice.kept import Damaged, Evidence, Kept, State
from app.authority.advice.untrusted import canonical, of_bytes, same_of

COLUMNS: Final = (
    *("id", "author", "kind", "target", "same", "digest", "body", "snapshot", "evidence", "seen"),
    *("created_us", "seen_us", "expires_us", "state", "decided_us", "decided_by", "reason"),
    *("outcome", "ask", "run", "refusal"),
)
NUMBERS: Final = frozenset({"seen", "created_us", "seen_us", "expires_us", "decided_us"})


def row_of(kept: Kept) -> dict[str, Any]:
    """The values of COLUMNS."""
    body = canonical(kept.proposal)
    said = {"kind": str(kept.proposal.kind), "target": kept.proposal.target, "body": body}
    own = {name: getattr(kept, name) for name in COLUMNS if name not in said}
    return {**own, **said, "state": str(kept.state), "evidence": str(kept.evidence)}


def read_row(row: Mapping[Any, Any]) -> Kept | Damaged:
    """`row`: the values of COLUMNS, text as its bytes: what is no UTF-8 is damage as well."""
    try:
        return _kept({name: _said(name, value) for name, value in row.items()})
    except ValueError as error:
        return _damaged(row, str(error))


def _kept(values: dict[str, Any]) -> Kept:
    """Raises ValueError that says what is wrong."""
    body, kind, target = (values.pop(name) for name in ("body", "kind", "target"))
    if hashlib.sha256(body).hexdigest() != values["digest"]:
        raise ValueError("its bytes have another hash")
    try:
        proposal = of_bytes(body)
    except ValueError as error:
        raise ValueError("its bytes are no proposal") from error
    if (proposal.kind, proposal.target, same_of(proposal)) != (kind, target, values["same"]):
        raise ValueError("it is filed under what it is not about")
    state, evidence = State(values.pop("state")), Evidence(values.pop("evidence"))
    return Kept(**values, proposal=proposal, state=state, evidence=evidence)


def _said(name: str, value: Any) -> Any:
    if value is None or name in NUMBERS or name == "body":
        return value
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"its {name} is no text") from None


def _damaged(row: Mapping[Any, Any], why: str) -> Damaged:
    names = ("id", "author", "kind", "target", "state")
    said = {name: bytes(row[name]).decode(errors="replace") for name in names}
    return Damaged(**said, created_us=row["created_us"], why=why)
