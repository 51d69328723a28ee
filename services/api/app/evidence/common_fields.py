"""Fields that events of several kinds have in common. Pure."""

from typing import Final

from app.evidence.fields import integer, maybe, text

MODEL: Final = "the model's id"
DIGEST: Final = text("digest", "SHA-256 of the model's manifest")
CLOSED_BY_RESTART: Final = text(
    "intent_boot_id", "the run of the server that wrote the intent; set where a restart closed it"
)
COUNTED: Final = (
    maybe(integer("count", "how many equal ones this event stands for; without it, one")),
    maybe(integer("first_us", "UTC of the first of them, in microseconds")),
    maybe(integer("last_us", "UTC of the last of them, in microseconds")),
)
REASON: Final = text("reason", "why, in words")
ASK: Final = text("ask", "the ask's id")
ACT: Final = text("act", "the kind of act, as docs/approvals.md lists them")
PLAN: Final = text("plan", "SHA-256 of the plan's bytes")
PROPOSAL: Final = text("proposal", "the proposal that was accepted, where that began it")
RUN: Final = text("run", "SHA-256 of the run: the attempt with all its evidence")
AS_ACT: Final = text("act", "the permission it needed, where it is not the usual one")
MODEL_FIELD: Final = text("model", "the model's id, where the act is about one")
