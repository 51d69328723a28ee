"""`lmx status`: what the running server is doing."""

from typing import Any

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.text import duration, one_line, pick, size, utc_seconds
from app.cli.walls import in_short

_COLUMNS = ("model", "state", "pinned", "memory", "context", "slots", "active", "queued", "idle")


def status(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show where the server listens, its memory, its ledger and the loaded models."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/status")
    loaded = rows(answer, "models")
    if as_json:
        output.as_json(answer)
        return
    output.show_fields(_facts(answer))
    if loaded:
        output.say("")
    output.show_table(
        _COLUMNS,
        [_row(model) for model in loaded],
        empty="No model is loaded: the first request for one loads it.",
        right=frozenset({"memory", "context", "slots", "active", "queued", "idle"}),
    )
    for model in loaded:
        if model.get("last_failure"):
            output.say(f"{one_line(model.get('id'))} failed: {one_line(model['last_failure'])}")


def _facts(answer: dict[str, Any]) -> list[tuple[str, str]]:
    memory = {name: size(value) for name, value in (pick(answer, "memory") or {}).items()}
    return [
        ("listening", one_line(answer.get("listening"))),
        ("version", one_line(answer.get("version"))),
        ("profile", one_line(answer.get("profile"))),
        ("up", duration(answer.get("uptime_s"))),
        ("state", one_line(answer.get("home"))),
        ("operator key", one_line(answer.get("operator_key_path"))),
        *_ledger(pick(answer, "ledger") or {}),
        *_guardrails(pick(answer, "guardrails") or {}),
        *_advice(pick(answer, "advice") or {}),
        ("budget", memory.get("budget_bytes", "-")),
        ("promised", f"{memory.get('promised_untaken_bytes', '-')}, not yet taken"),
        ("available", f"{memory.get('available_bytes', '-')} of {memory.get('total_bytes', '-')}"),
    ]


def _ledger(ledger: dict[str, Any]) -> list[tuple[str, str]]:
    """How the record stands, and plainly whether anybody outside holds a checkpoint of it."""
    written = "writable" if ledger.get("available") else "NOT WRITABLE: no act happens"
    held = pick(ledger, "held_outside")
    lines = [
        ("ledger", f"{one_line(ledger.get('size'))} events, {written}"),
        ("checkpoint", f"{one_line(pick(ledger, 'checkpoint', 'size'))} events signed"),
        (
            "held outside",
            f"{one_line(held.get('size'))} events, cosigned {utc_seconds(held.get('time_s'))}"
            if isinstance(held, dict)
            else "nothing: whoever owns this machine could rewrite it all",
        ),
    ]
    for sink in ledger.get("sinks") or []:
        kind = "required" if sink.get("required") else "optional"
        state = "up to date" if sink.get("ok") and not sink.get("lag") else _trouble(sink)
        lines.append((f"copy {one_line(sink.get('name'))}", f"{kind}, {state}"))
    if ledger.get("disk_warning_percent"):
        lines.append(("disk", f"more than {one_line(ledger['disk_warning_percent'])}% full"))
    if pick(ledger, "reserve", "in_use"):
        lines.append(("reserve", "IN USE: the disk is full, only refusals are recorded"))
    return lines


def _guardrails(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Which document is active and how many tasks decide; plainly, where none can be asked."""
    if not found:
        return []
    if found.get("trouble"):
        said = f"CANNOT BE ASKED, so acts are refused: {one_line(found['trouble'])}"
        return [("guardrails", said)]
    tasks = found.get("tasks")
    count = "1 task decides" if tasks == 1 else f"{one_line(tasks)} tasks decide"
    return [("guardrails", f"version {one_line(found.get('version'))} is active, {count}")]


def _advice(found: dict[str, Any]) -> list[tuple[str, str]]:
    """How many proposals wait for a person, and whether advisors are walled in."""
    if not found:
        return []
    count, walls = found.get("open"), found.get("walls")
    waiting = "1 proposal waits" if count == 1 else f"{one_line(count)} proposals wait"
    return [
        ("advice", f"{waiting} for a person (lmx advice ls)" if count else "nothing waits"),
        ("walls", in_short(walls) if isinstance(walls, list) else "not looked at yet (lmx doctor)"),
    ]


def _trouble(sink: dict[str, Any]) -> str:
    return f"{one_line(sink.get('lag'))} events behind. {one_line(sink.get('why') or '')}".strip()


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    taken = model.get("resident_bytes") or model.get("promised_bytes")
    plain = ("context", "slots", "active", "queued")
    return (
        one_line(model.get("id")),
        one_line(model.get("state")),
        one_line(model.get("pinned")),
        size(taken),
        *(one_line(model.get(name)) for name in plain),
        duration(model.get("idle_s")),
    )
