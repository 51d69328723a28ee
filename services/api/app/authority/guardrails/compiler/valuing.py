"""Which texts a primitive may have: its labels, and what is in the sets of its terms. Pure."""

from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.primitives import Primitive


def values_of(primitive: Primitive, lookup: Lookup) -> tuple[str, ...]:
    """The values that need no quotation marks, in one order; the document's sets are looked up."""
    if primitive.labels:
        return primitive.labels
    terms = lookup.at("primitives", primitive.name, "terms") or {}
    named = {name for term in terms.values() for name in (term.one_of, term.none_of) if name}
    found = {value for name in named for value in lookup.at("domain", "sets", name) or ()}
    return tuple(sorted(found))
