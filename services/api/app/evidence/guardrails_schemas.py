"""What events of guardrails hold: a part of `schemas`. Pure."""

from typing import Final

from app.evidence.common_fields import ASK
from app.evidence.fields import Schema, integer, maybe, schema, text, texts
from app.evidence.vocabulary import Kind

_VERSION: Final = integer("version", "number of the guardrails document")
_HASH: Final = text("hash", "SHA-256 of the document's normal form")

GUARDRAILS: Final[tuple[Schema, ...]] = (
    schema(
        Kind.GUARDRAILS_LOADED,
        "A guardrails document was kept as a new version; it changes nothing by itself. Its bytes "
        "are evidence.",
        "",
        _VERSION,
        _HASH,
        text("document", "SHA-256 of the document's bytes"),
        maybe(text("note", "why, in the words of whoever loaded it")),
        outcomes=("done",),
    ),
    schema(
        Kind.GUARDRAILS_ACTIVATED,
        "Intents are compiled under this document from now on; what is bound stays bound.",
        "",
        _VERSION,
        _HASH,
        maybe(integer("before", "number of the document that held until then")),
        maybe(ASK),
        outcomes=("done",),
    ),
    schema(
        Kind.GUARDRAILS_BOUND,
        "Which compiled definitions decide from now on; those that changed are evidence.",
        "",
        text("bindings", "SHA-256 over every binding that holds from now on"),
        integer("tasks", "how many tasks are bound from now on"),
        texts("changed", "what changed: `TASK@VERSION`, or `TASK retired`; the first of them"),
        integer("changed_count", "how many changed"),
        texts("binding_hashes", "binding hashes of what was bound anew; the first of them"),
        maybe(integer("guardrails", "number of the document that they were compiled under")),
        maybe(ASK),
        outcomes=("done",),
    ),
    schema(
        Kind.GUARDRAILS_ALERT,
        "A condition with the action alert was met, or could not be evaluated.",
        "the task's id",
        text("decision", "SHA-256 of the decision's record"),
        text("point", "where it was asked: a decision point, or `tick`"),
        text("about", "the model, key or act that it is about; empty where it is about all"),
        text("sentence", "why, for people"),
        text("binding_hash", "binding hash of the definition"),
        outcomes=("met", "error"),
    ),
    schema(
        Kind.GUARDRAILS_DIGEST,
        "The digest over the decisions of the hours that ended.",
        "",
        integer("from_us", "UTC from which"),
        integer("until_us", "UTC until which"),
        integer("decisions", "how many"),
        integer("first_seq", "number of the first; 0 where there is none"),
        integer("last_seq", "number of the last; 0 where there is none"),
        text("digest", "SHA-256 over their digests in hex, one a line"),
    ),
)
