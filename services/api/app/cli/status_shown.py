"""One screen of the status: what is loaded and for whom, how busy it is, what waits. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.cli import memory_bar, text
from app.cli.status_health import health, section
from app.cli.text import duration, objects, one_line, pick, size

_COLUMNS: Final = ("model", "state", "memory", "context", "busy", "queued", "tok/s", "idle")
_RIGHT: Final = frozenset({"memory", "context", "busy", "queued", "tok/s", "idle"})
_NARROW: Final = text.Narrow(clip={"model": 24}, leave_out=("context", "idle", "tok/s"))
_BAR: Final = 60
_NAMED: Final = 4
_SECOND_US: Final = 1_000_000


def screen(answer: Mapping[str, Any], *, width: int | None, now_us: int) -> list[str]:
    """The lines, none wider than `width`. `now_us`: UTC in microseconds, for how long ago."""
    loaded = objects(answer.get("models"))
    return [
        *_head(answer, width),
        "",
        *_memory(answer, loaded, width),
        "",
        *_models(answer, loaded, width),
        "",
        *text.fields([*_waiting(answer, now_us), *health(answer)], width=width),
    ]


def _head(answer: Mapping[str, Any], width: int | None) -> list[str]:
    parts = [
        f"lmx {one_line(answer.get('version'))}",
        one_line(answer.get("listening")),
        f"up {duration(answer.get('uptime_s'))}",
        one_line(answer.get("profile")),
        one_line(answer.get("home")),
    ]
    lines = text.paragraph("  ".join(parts), width=width)
    if answer.get("safe_mode"):
        said = f"{one_line(answer['safe_mode'])} Load by hand: lmx models load NAME. A stop in "
        said += "good order and a start end it."
        lines += text.fields([("SAFE MODE", said)], width=width)
    restored = objects(answer.get("restored"))
    if restored:
        said = f"from a backup on {text.utc_time(restored[0].get('ts_utc_us'))[:19]}Z"
        lines += text.fields([("RESTORED", f"{said} (lmx ledger verify)")], width=width)
    return lines


def _memory(
    answer: Mapping[str, Any], loaded: Sequence[Mapping[str, Any]], width: int | None
) -> list[str]:
    memory = section(answer, "memory")
    parts = memory_bar.terms(memory, loaded)
    room = min(_BAR, (width or 80) - 20)
    drawn = memory_bar.bar(parts, room)
    total = size(memory.get("total_bytes"))
    lines = [f"memory  [{drawn}] {total}"] if drawn else [f"memory  {total}"]
    legend = "  ".join(part.said().replace(" ", "\u00a0") for part in parts if part.count)
    return [*lines, *text.paragraph(legend, width=width, margin=" " * 8)]


def _models(
    answer: Mapping[str, Any], loaded: Sequence[Mapping[str, Any]], width: int | None
) -> list[str]:
    if not loaded:
        return []
    rows = [_row(answer, model) for model in loaded]
    table = text.table(_COLUMNS, rows, width=width, right=_RIGHT, narrow=_NARROW)
    if len(table) != len(loaded) + 1 + any(line.startswith("(not") for line in table):
        return table + [line for m in loaded for line in _about(answer, m, width)]
    lines = [table[0]]
    for line, model in zip(table[1:], loaded, strict=False):
        lines += [line, *_about(answer, model, width)]
    return lines


def _row(answer: Mapping[str, Any], model: Mapping[str, Any]) -> tuple[str, ...]:
    tokens = pick(answer, "lately", "models", str(model.get("id")), "tokens")
    seconds = pick(answer, "lately", "seconds")
    speed = (
        f"{tokens / seconds:.1f}" if isinstance(tokens, int) and isinstance(seconds, int) else "-"
    )
    return (
        one_line(model.get("id")),
        one_line(model.get("state")),
        size(model.get("resident_bytes") or model.get("promised_bytes")),
        one_line(model.get("context")),
        f"{one_line(model.get('active'))}/{one_line(model.get('slots'))}",
        one_line(model.get("queued")),
        speed,
        duration(model.get("idle_s")),
    )


def _about(answer: Mapping[str, Any], model: Mapping[str, Any], width: int | None) -> list[str]:
    """For whom it is loaded: the names that lead to it, and who asked it lately."""
    said = ["pinned"] if model.get("pinned") else []
    if aliases := model.get("aliases"):
        said.append(f"as {one_line(aliases)}")
    users = objects(pick(answer, "users", str(model.get("id"))))
    named = [
        f"{one_line(u.get('name') or u.get('actor'))} {one_line(u.get('requests'))}x"
        for u in users[:_NAMED]
    ]
    more = f" and {len(users) - _NAMED} more" if len(users) > _NAMED else ""
    said.append(f"for {', '.join(named)}{more} in 15 min" if named else "nobody asked in 15 min")
    if model.get("last_failure"):
        said.append(f"failed: {one_line(model['last_failure'])}")
    return text.paragraph("; ".join(said), width=width, margin="  ")


def _waiting(answer: Mapping[str, Any], now_us: int) -> list[tuple[str, str]]:
    pending = pick(answer, "approvals", "pending")
    oldest = pick(answer, "approvals", "oldest_us")
    rows = []
    if isinstance(pending, int):
        since = f", the oldest for {_ago(oldest, now_us)}" if isinstance(oldest, int) else ""
        waits = "1 waits" if pending == 1 else f"{pending} wait"
        said = f"{waits} for a yes{since} (lmx approvals ls)" if pending else "nothing waits"
        rows.append(("approvals", said))
    refusals = objects(answer.get("refusals"))
    for number, one in enumerate(refusals):
        said = (
            f"{_ago(one.get('ts_utc_us'), now_us)} ago  {one_line(one.get('code'))}  "
            f"{one_line(one.get('subject'))}  {one_line(one.get('actor'))}"
        )
        rows.append(("" if number else "refused", said))
    return rows


def _ago(then_us: object, now_us: int) -> str:
    if not isinstance(then_us, int):
        return "-"
    return duration(max(0, now_us - then_us) // _SECOND_US)
