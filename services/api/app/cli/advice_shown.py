"""How proposals and what came of them are put on the terminal. What advisors wrote is untrusted."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import Narrow, duration, one_line, size, utc_time, visible

Rows = list[tuple[str, str]]
Plain = Mapping[str, Any]

ROOT: Final = "/authority/proposals"
COLUMNS: Final = ("proposal", "what", "sure", "outcome", "author")
NARROW: Final = Narrow(clip={"what": 20, "outcome": 16}, leave_out=("author", "sure"))

_LONGEST: Final = 500
_LISTED: Final = 60
_DEEPEST: Final = 12
_PREDICTED: Final[Mapping[str, str]] = {
    "cold_starts_avoided": "cold starts avoided",
    "cold_starts_caused": "cold starts caused",
    "memory_freed_bytes": "memory freed",
    "disk_freed_bytes": "disk freed",
    "ttft_p95_ms": "first token, 95th percentile, ms",
}
_IDLE: Final[Mapping[object, str]] = {None: "as the settings say", 0: "never"}
_WOULD: Final[Mapping[object, str]] = {"done": "would be done", "asked": "would ask"}


def said(value: object) -> str:
    """What an advisor wrote, on one line, with whatever hides or moves text shown as an escape."""
    if value is None or isinstance(value, bool | list | tuple):
        return one_line(value)
    text = visible(str(value))
    return f"{text[:_LONGEST]}..." if len(text) > _LONGEST else text or "-"


def proposal_path(proposal: str, act: str = "") -> str:
    """The address of a proposal, by its id or how that begins; it can name nothing else."""
    if not 3 <= len(proposal) <= 8 or not set(proposal) <= set("0123456789abcdef"):
        raise CommandError(
            f"{one_line(proposal)!r} is not a proposal's id: 8 characters of 0-9 and a-f, or the "
            "first three or more of them. `lmx advice ls` lists them.",
            exit_code=ExitCode.USAGE,
        )
    return f"{ROOT}/{proposal}" + (f"/{act}" if act else "")


def row(proposal: Plain) -> tuple[str, ...]:
    """A line of the list."""
    return (
        said(proposal.get("id")),
        _clipped(what(proposal)),
        _percent(proposal.get("confidence")),
        outcome(proposal),
        said(proposal.get("author")),
    )


def outcome(proposal: Plain) -> str:
    """What would come of an open one, what came of a decided one."""
    state = proposal.get("state")
    if proposal.get("altered"):
        return f"ALTERED: {said(proposal['altered'])}"
    if state == "open":
        return would(proposal.get("would"))
    came = proposal.get("outcome")
    return f"{said(state)}, {_came(proposal)}" if came else said(state)


def _stands(proposal: Plain) -> str:
    """As `outcome`; of an open one that stands below."""
    return "open" if proposal.get("state") == "open" else outcome(proposal)


def would(found: object) -> str:
    """What the authority says it would do, or REFUSED and why."""
    judged = found if isinstance(found, Mapping) else {}
    what = judged.get("what")
    if what == "refused":
        return f"REFUSED: {said(judged.get('message') or judged.get('code'))}"
    return _WOULD.get(what, "not known")


def shown(proposal: Plain) -> Rows:
    """Everything about one: what, why, on what grounds, how sure, until when, from whom."""
    return [
        ("proposal", f"{said(proposal.get('id'))}, {_stands(proposal)}"),
        ("what", what(proposal)),
        ("why", said(proposal.get("reason"))),
        ("assumes", said(proposal.get("assumes"))),
        ("sure", f"{_percent(proposal.get('confidence'))}, it says of itself"),
        ("predicts", predicted(proposal.get("predicts"))),
        *_evidence(proposal),
        ("from", said(proposal.get("author"))),
        ("made", f"{utc_time(proposal.get('created_us'))}, {_times(proposal.get('seen'))}"),
        ("until", utc_time(proposal.get("expires_us"))),
        ("digest", said(proposal.get("digest"))),
        *_decided(proposal),
        *_measured(proposal.get("measured")),
    ]


def what(proposal: Plain) -> str:
    """Its kind and target and all that it would change."""
    change = proposal.get("change")
    more = "; ".join(
        _changed(name, value)
        for name, value in (change.items() if isinstance(change, Mapping) else ())
    )
    about = f"{said(proposal.get('kind'))} {said(proposal.get('target'))}"
    return f"{about}: {more}" if more else about


def preview(proposal: Plain) -> Rows:
    """What accepting it would do, as the authority worked it out: each line and its indent.

    Of what would be refused there is nothing more than the refusal, which stands beside it.
    """
    if _refused(proposal):
        return []
    found = proposal.get("preview")
    lines = found.get("lines") if isinstance(found, Mapping) else None
    return [_indented(said(line)) for line in lines] if isinstance(lines, list) else []


def predicted(found: object) -> str:
    """Each prediction in words; those of bytes as people read them."""
    given = found if isinstance(found, Mapping) else {}
    return (
        "; ".join(
            f"{_PREDICTED.get(name, said(name))} {_measure(name, n)}" for name, n in given.items()
        )
        or "nothing that can be measured"
    )


def listed(found: object) -> list[Plain]:
    rows = found if isinstance(found, Sequence) and not isinstance(found, str) else []
    return [one for one in rows if isinstance(one, Mapping)]


def _indented(line: str) -> tuple[str, str]:
    rest = line.lstrip(" ")
    return " " * min(len(line) - len(rest), _DEEPEST), rest


def _evidence(proposal: Plain) -> Rows:
    held = (
        "each was compared with the snapshot it names"
        if proposal.get("evidence_holds") is True
        else "NOT CHECKED: it names no snapshot that is kept"
    )
    facts = listed(proposal.get("evidence"))
    return [("evidence", held), *(("", _fact(fact)) for fact in facts)]


def _fact(fact: Plain) -> str:
    path = fact.get("field")
    steps = [said(step) for step in path] if isinstance(path, list) else [said(path)]
    return f"{' > '.join(steps)}: {_measure(steps[-1] if steps else '', fact.get('value'))}"


def _decided(proposal: Plain) -> Rows:
    decided = proposal.get("decided")
    if not isinstance(decided, Mapping):
        return []
    rows = [
        ("decided", f"{utc_time(decided.get('at_us'))} by {said(decided.get('by'))}"),
        ("because", said(decided.get("reason"))),
    ]
    if proposal.get("outcome"):
        rows.append(("came of it", _came(proposal)))
    named = (("ask", "lmx approvals show"), ("run", "lmx runs show"))
    return rows + [
        (name, f"{said(proposal[name])} ({command} {said(proposal[name])[:8]})")
        for name, command in named
        if proposal.get(name)
    ]


def _came(proposal: Plain) -> str:
    came = said(proposal.get("outcome"))
    return f"{came} ({said(proposal['refusal'])})" if proposal.get("refusal") else came


def _measured(found: object) -> Rows:
    if not isinstance(found, Mapping):
        return []
    rows = [("measured", predicted(found["measured"]))] if found.get("measured") else []
    return [*rows, ("verdict", said(found.get("verdict")).replace("_", " "))]


def decide(proposal: Plain) -> str:
    """What to do next about an open one."""
    name = said(proposal.get("id"))
    if _refused(proposal):
        return (
            "accepting it now would do nothing, and it can be accepted once. See to what stands in "
            f"the way first, or: lmx advice dismiss {name} --reason TEXT"
        )
    return f"lmx advice accept {name} --reason TEXT, or dismiss"


def _refused(proposal: Plain) -> bool:
    judged = proposal.get("would")
    return isinstance(judged, Mapping) and judged.get("what") == "refused"


def _clipped(text: str) -> str:
    return text if len(text) <= _LISTED else f"{text[: _LISTED - 3]}..."


def _measure(name: str, value: object) -> str:
    """A number of the snapshot's as people read it, by what its name ends with."""
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("_bytes"):
            return size(value)
        if name.endswith("_us"):
            return utc_time(value)
        if name.endswith("_s"):
            return duration(value)
    return said(value)


def _changed(name: str, value: object) -> str:
    if name == "models":
        return _value(value)
    if name == "idle_s":
        return f"idle {_IDLE.get(value) or duration(value)}" if _plain(value) else _value(value)
    return f"{said(name)} {_value(value)}"


def _plain(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", then ".join(_value(one) for one in value)
    return visible(json.dumps(value)) if isinstance(value, Mapping) else said(value)


def _percent(value: object) -> str:
    return f"{value} %" if isinstance(value, int) else said(value)


def _times(seen: object) -> str:
    return "proposed once" if seen == 1 else f"proposed {said(seen)} times"
