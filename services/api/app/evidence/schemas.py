"""The only place that says what the events of each kind hold: subject, outcome and data.

Append only, like the vocabulary: a field may be added, and one may be retired; none is renamed,
removed, retyped or made required, or old events would stop meaning what they meant.
"""

from collections.abc import Mapping
from typing import Any, Final

from app.evidence.common_fields import (
    CLOSED_BY_RESTART,
    COUNTED,
    DIGEST,
    MODEL,
    REASON,
    RUN,
)
from app.evidence.fields import (
    InvalidData,
    Schema,
    boolean,
    by_kind,
    check,
    integer,
    maybe,
    obj,
    retired,
    schema,
    text,
    texts,
)
from app.evidence.governed_schemas import GOVERNED
from app.evidence.vocabulary import Kind

__all__ = ["SCHEMAS", "InvalidData", "check_data", "check_outcome"]

SCHEMAS: Final[Mapping[Kind, Schema]] = by_kind(
    (
        schema(
            Kind.GENESIS,
            "The first start: whose installation this is and which rules it began with.",
            "the installation's id",
            text("person", "id of the person who started it, its operator"),
            text("commitment", "SHA-256 over a random salt and the person's name, as hex"),
            retired(text("account", "the account that started it, in clear")),
            text("profile", "how decisions are shared: `solo`"),
            text("operator_key_id", "id of the first key"),
            text("rules_digest", "SHA-256 of the hard rules"),
            text("schema_version", "revision of the database's schema"),
            text("version", "release of LMX Authority"),
        ),
        schema(
            Kind.BOOT,
            "A start of the server, before it listens.",
            "the boot id, which every event of this run carries",
            text("version", "release of LMX Authority"),
            integer("pid", "process id"),
            text("rules_digest", "SHA-256 of the hard rules"),
            text("config_digest", "SHA-256 of the settings, as canonical JSON"),
            maybe(obj("overrides", "settings that leave a promise, by the promise's id")),
            maybe(integer("adopted", "events of a crash that the signer had not yet signed")),
        ),
        schema(Kind.SHUTDOWN, "The server stopped in order.", "the boot id", REASON),
        schema(
            Kind.KEY_CREATED,
            "A key was made.",
            "the key's id",
            text("name", "the key's name"),
            texts("roles", "what it may be used for"),
            maybe(text("person", "id of the person it belongs to; absent for a bot's")),
            outcomes=("done",),
        ),
        schema(Kind.KEY_REVOKED, "A key was ended for good.", "the key's id", outcomes=("done",)),
        schema(
            Kind.MODEL_IMPORTED,
            "A model entered the store.",
            MODEL,
            DIGEST,
            text("trust", "what the catalog makes of its bytes"),
            integer("size_bytes", "bytes of its files"),
            text("architecture", "the model's architecture"),
            text("source", "the directory it came from"),
            texts("left_out", "files that were not taken, the first of them"),
            integer("left_out_count", "how many files were not taken"),
            outcomes=("done",),
        ),
        schema(
            Kind.MODEL_VERIFIED,
            "A model's files were hashed again.",
            MODEL,
            DIGEST,
            maybe(integer("hashed_bytes", "bytes that were read and hashed")),
            maybe(integer("files", "files that were hashed")),
            maybe(text("path", "the file that is not what it was")),
            maybe(text("trust", "what the catalog makes of the model now")),
            outcomes=("done", "digest_mismatch"),
        ),
        schema(
            Kind.MODEL_QUARANTINED,
            "A model's worker crashed too often; it is not started again.",
            MODEL,
            integer("consecutive", "crashes in a row"),
            REASON,
        ),
        schema(
            Kind.LOAD_INTENT,
            "A model is about to be loaded.",
            MODEL,
            DIGEST,
            integer("context", "tokens of context"),
            integer("slots", "answers at a time"),
            boolean("pinned", "whether it stays until it is unloaded"),
            text("permission", "what was granted: asked for, or loaded on demand"),
            obj("feasibility", "what it needs and what the budget was, in bytes"),
            maybe(obj("policy", "the decision: outcome, rules fired, policy hash")),
        ),
        schema(
            Kind.LOAD_OUTCOME,
            "How a load ended.",
            MODEL,
            maybe(DIGEST),
            maybe(integer("pid", "process id of the worker")),
            maybe(integer("load_ms", "milliseconds it took")),
            maybe(integer("resident_bytes", "memory the worker holds")),
            maybe(integer("base_bytes", "memory it held before it loaded")),
            maybe(REASON),
            maybe(CLOSED_BY_RESTART),
            maybe(RUN),
            outcomes=("loaded", "failed", "abandoned", "interrupted_by_restart"),
        ),
        schema(
            Kind.UNLOAD_INTENT,
            "A model is about to be taken out of memory.",
            MODEL,
            REASON,
            integer("resident_bytes", "memory its worker holds"),
            integer("in_flight", "answers that run"),
        ),
        schema(
            Kind.UNLOAD_OUTCOME,
            "How an unload ended.",
            MODEL,
            maybe(REASON),
            maybe(integer("freed_bytes", "memory that was given back")),
            maybe(integer("cut_off", "answers that did not end in time")),
            maybe(CLOSED_BY_RESTART),
            maybe(RUN),
            outcomes=("unloaded", "interrupted_by_restart"),
        ),
        schema(
            Kind.WORKER_EXITED,
            "A worker was lost.",
            MODEL,
            REASON,
            integer("consecutive", "crashes in a row"),
            outcomes=("lost",),
        ),
        schema(
            Kind.MODEL_RELEASED,
            "An operator verified a quarantined model; it may be started again.",
            MODEL,
        ),
        schema(
            Kind.MODEL_PINNED_RESIDENT,
            "A loaded model was pinned: it stays until it is unloaded.",
            MODEL,
        ),
        schema(
            Kind.REFUSAL,
            "An act was refused. Floods of equal ones: the first hundred a minute, then counts.",
            "what the act was about: a model's id, `key ID`, or the route",
            text("code", "the refusal's code"),
            text("message", "the sentence that was answered"),
            maybe(text("permission", "what was asked for")),
            maybe(RUN),
            *COUNTED,
            outcomes=("refused",),
        ),
        schema(
            Kind.USAGE_DIGEST,
            "What was used in an hour, as sums; written for empty hours too.",
            "",
            integer("from_us", "UTC where the hour begins; earlier where digests were missed"),
            integer("until_us", "UTC where it ends"),
            integer("first_id", "first row of the usage table that is covered"),
            integer("last_id", "last one; below `first_id` where there is none"),
            integer("rows", "rows covered"),
            integer("requests", "requests they stand for"),
            integer("prompt_tokens", "tokens read"),
            integer("completion_tokens", "tokens written"),
            text("digest", "SHA-256 over the rows as lines of canonical JSON, by id"),
        ),
        schema(
            Kind.USAGE_PRUNED,
            "Old rows of the usage table were deleted; the digests that cover them stay.",
            "",
            integer("until_us", "UTC: rows that began before it were deleted"),
            integer("rows", "how many"),
        ),
        schema(Kind.SIGNING_KEY_CREATED, "The signing key was made.", "", text("key", "its vkey")),
        schema(
            Kind.SIGNING_KEY_ROTATED,
            "The signing key was replaced; both keys signed the checkpoint over this event.",
            "",
            text("old", "the old verifier key"),
            text("new", "the new verifier key"),
            outcomes=("done",),
        ),
        schema(
            Kind.CHECKPOINT_COSIGNED,
            "A witness's cosignature was brought in.",
            "the witness's name",
            integer("size", "events the checkpoint covers"),
            text("root", "its root hash"),
            text("witness", "the witness's verifier key"),
            integer("time_s", "when the witness signed, in seconds of UTC"),
        ),
        schema(
            Kind.SINK_CHANGED,
            "A copy of the ledger was begun: a new one, or after one was missing or damaged.",
            "the sink's name",
            text("name", "the sink's name"),
            text("path", "where it lies"),
            REASON,
            integer("had", "events the ledger had by then"),
        ),
        schema(
            Kind.DISK_WARNING,
            "The volume of LMX_HOME is filling up, or has room again.",
            "",
            integer("percent", "how full it is"),
            integer("level", "the threshold that was crossed: 75, 90, or 0 for room again"),
            integer("total_bytes", "the volume's size"),
            integer("free_bytes", "what is free"),
        ),
        schema(
            Kind.RESERVE_USED,
            "The disk was full, and the space held in reserve was given to the ledger.",
            "",
            integer("reserve_bytes", "how much was held"),
        ),
        schema(
            Kind.LEDGER_READ,
            "Somebody read the ledger. Of equal reads in a minute the first, then a count.",
            "what was read: `events`, `event`, a report's name",
            maybe(text("detail", "filters, as they were asked")),
            *COUNTED,
        ),
        schema(
            Kind.LEDGER_EXPORTED,
            "Somebody exported the ledger.",
            "",
            integer("size", "events there were when it was asked for; the export has this one too"),
            integer("from_seq", "first event that was wanted with its body"),
            maybe(text("since", "the number or time that was asked for")),
            maybe(text("purpose", "what it is for, as its maker said")),
            integer("blobs", "how many pieces of evidence go with it"),
            text("blobs_sha256", "SHA-256 over their sorted digests, one a line"),
        ),
        schema(
            Kind.LEDGER_REINDEXED,
            "The search index was built anew from the events.",
            "",
            integer("rows", "rows it has"),
            integer("changed", "rows that were not as the events say: altered, missing or added"),
        ),
        schema(
            Kind.PERSON_NAMED,
            "A person got an id; the name is in no event.",
            "the person's id",
            text("person", "the person's id"),
            text("commitment", "SHA-256 over a random salt and the name, as hex"),
            maybe(texts("keys", "keys that were made before and belong to the person")),
        ),
        schema(
            Kind.PERSON_NAME_ERASED,
            "A person's name and salt were deleted; what the person did stays.",
            "the person's id",
            text("person", "the person's id"),
            outcomes=("done",),
        ),
        *GOVERNED,
    )
)


def check_data(kind: Kind, data: Mapping[str, Any]) -> None:
    """Raise InvalidData for a field that is unknown, missing or of another type."""
    check(SCHEMAS[kind], data)


def check_outcome(kind: Kind, outcome: str | None) -> None:
    """Raise InvalidData for an outcome that events of this kind do not have."""
    known = SCHEMAS[kind].outcomes
    if (outcome is not None or known) and outcome not in known:
        names = ", ".join(known) or "none"
        raise InvalidData(f"a {kind} event has no outcome {outcome!r}; there is: {names}")
