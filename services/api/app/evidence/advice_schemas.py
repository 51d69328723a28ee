"""What events of advice hold: a part of `schemas`. Pure."""

from typing import Final

from app.evidence.common_fields import ASK, RUN
from app.evidence.fields import Schema, integer, maybe, schema, text
from app.evidence.vocabulary import Kind

_SUBJECT: Final = "what the proposal is about: a model, an alias, a repository, a task"
_PROPOSAL: Final = text("proposal", "the proposal's id")
_KIND: Final = text("kind", "what is proposed, as docs/advice.md lists it")
_DIGEST: Final = text("digest", "SHA-256 of the proposal's canonical JSON")

ADVICE: Final[tuple[Schema, ...]] = (
    schema(
        Kind.ADVICE_PROPOSED,
        "An advisor proposed something; nothing follows from that. Its text is evidence.",
        _SUBJECT,
        _PROPOSAL,
        _KIND,
        _DIGEST,
        integer("confidence", "how sure the advisor says it is, in percent"),
        integer("expires_us", "UTC after which it can no longer be accepted"),
        maybe(text("snapshot", "SHA-256 of the snapshot that it was made from")),
        text("evidence", "`holds`: each fact was found in that snapshot; else `unchecked`"),
        outcomes=("done",),
    ),
    schema(
        Kind.ADVICE_DECIDED,
        "A person accepted or dismissed a proposal.",
        _SUBJECT,
        _PROPOSAL,
        _KIND,
        _DIGEST,
        text("reason", "why, in that person's words"),
        outcomes=("accepted", "dismissed"),
    ),
    schema(
        Kind.ADVICE_OUTCOME,
        "What became of the ordinary act or ask that a person began by accepting a proposal.",
        _SUBJECT,
        _PROPOSAL,
        _KIND,
        integer("decision_seq", "number of the event of the decision"),
        maybe(ASK),
        maybe(RUN),
        maybe(text("code", "the refusal's code, where it was refused")),
        outcomes=("done", "asked", "refused", "unknown"),
    ),
)
