"""`lmx ledger`: the append-only record, and one event checked here, without the server."""

import hashlib
import json
from typing import Annotated, Any

import typer

from app.cli import ledger_questions, output
from app.cli.ledger_custody import prune, recover, rotate
from app.cli.ledger_export import export
from app.cli.ledger_proofs import checkpoint, cosigned, key, proven_inclusion
from app.cli.ledger_report import report
from app.cli.ledger_verify import verify
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError
from app.cli.text import one_line, pick, utc_time

app = typer.Typer(name="ledger", help="Read the append-only record.", no_args_is_help=True)

app.command("export")(export)
app.command("rotate")(rotate)
app.command("prune")(prune)
app.command("recover")(recover)
app.command("checkpoint")(checkpoint)
app.command("cosigned")(cosigned)
app.command("key")(key)
app.command("verify")(verify)
app.command("report")(report)

app.command("ls")(ledger_questions.ls)
app.command("counts")(ledger_questions.counts)
app.command("watch")(ledger_questions.watch)
app.command("reindex")(ledger_questions.reindex)

_LEAF_PREFIX = b"\x00"  # RFC 6962, section 2.1


@app.command("show")
def show(
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=0, help="The event's number.")],
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Show one event, and check it here.

    The leaf hash is recomputed from the body, and proven to be under the log's signed checkpoint.
    Exits with 1 when either does not hold.
    """
    from app.cli.connection import connected

    with connected(server) as authority:
        event = authority.get(f"/authority/ledger/events/{seq}")
        body = canonical_bytes(event.get("body"))
        recomputed, recorded = leaf_hash(body), event.get("leaf")
        proven = proven_inclusion(authority, seq, bytes.fromhex(recomputed))
    # The server compares the stored bytes themselves, which this body is only a reading of.
    holds = recomputed == recorded and event.get("intact") is not False and _names(body, seq)
    if as_json:
        shown = {"event": event, "recomputed_leaf": recomputed, "matches": holds}
        output.as_json({**shown, "inclusion": proven.as_dict()})
    else:
        output.say(body.decode("utf-8", errors="replace"), "")
        output.show_fields(
            [
                ("event", f"{seq}, {one_line(event.get('kind'))}"),
                ("time", utc_time(event.get("ts_utc_us"))),
                ("leaf", one_line(recorded)),
                ("recomputed", recomputed),
                ("verdict", "matches" if holds else "DOES NOT MATCH"),
                ("included", str(proven.verdict)),
                *_of_advice(body),
            ]
        )
        _say_context(event)
    if not holds:
        raise CommandError(
            f"Event {seq} is not as it was recorded: its body, its place or its leaf was changed."
        )
    if not proven.verdict.holds:
        raise CommandError(f"Event {seq} is not proven to be in the log: {proven.verdict.why}.")


def canonical_bytes(body: Any) -> bytes:
    """The bytes that were hashed: the text as it was recorded, or RFC 8785 of the object."""
    if isinstance(body, str):
        return body.encode("utf-8", errors="surrogatepass")
    if not isinstance(body, dict):
        raise CommandError("The event came without its body, so nothing can be recomputed.")
    import rfc8785

    try:
        return rfc8785.dumps(body)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise CommandError(f"The body is not canonical JSON: {one_line(error)}.") from error


def leaf_hash(body: bytes) -> str:
    return hashlib.sha256(_LEAF_PREFIX + body).hexdigest()


def _of_advice(body: bytes) -> list[tuple[str, str]]:
    """Where an event is about a proposal: which, and the decision that it follows from."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return []
    found = pick(fields, "data") if isinstance(fields, dict) else None
    named = (
        ("proposal", pick(found or {}, "proposal"), "lmx advice show"),
        ("decision", pick(found or {}, "decision_seq"), "lmx ledger show"),
    )
    return [
        (label, f"{one_line(value)} ({command} {one_line(value)})")
        for label, value, command in named
        if isinstance(value, str | int)
    ]


def _names(body: bytes, seq: int) -> bool:
    """Whether the body says that this is its place in the log."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and fields.get("seq") == seq


def _say_context(event: dict[str, Any]) -> None:
    """What belongs to the same attempt, and how to check the event against the whole log."""
    others = event.get("run_events")
    if isinstance(others, list) and others:
        output.say("", f"Of the same run, {one_line(event.get('run'))}:")
        output.show_table(
            ("seq", "time", "kind", "outcome"),
            [
                (
                    one_line(pick(other, "seq")),
                    utc_time(pick(other, "ts_utc_us")),
                    one_line(pick(other, "kind")),
                    one_line(pick(other, "outcome")),
                )
                for other in others
            ],
            empty="",
            right=frozenset({"seq"}),
        )
    commands = event.get("verify")
    if isinstance(commands, list):
        output.say("", "Check it:", *(f"  {one_line(command)}" for command in commands))
