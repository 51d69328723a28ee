"""The only place that reads what an advisor wrote. Pure.

Everything is checked by hand: exactly the keys that are known, exactly the types, bounded numbers
and lengths, text whose every character can be seen. Nothing is mended, shortened or passed over:
what is odd is refused and the message names it, with what was written shown as escapes.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from app.authority.advice.intents import read_intent
from app.authority.advice.plain import MOST, invalid, listed, mapping, number, text
from app.authority.catalog.names import MODEL_ID
from app.domain.advice.proposals import DAY_S, PREDICTIONS, Evidence, Kind, Proposal
from app.domain.models import ALIAS
from app.domain.refusals import ProposalInvalid

MAX_BYTES: Final = 64 * 1024
"""Of a proposal's canonical bytes."""
MAX_TEXT: Final = 500
MAX_FACTS: Final = 16
MAX_PATH: Final = 8
MAX_PART: Final = 200
MAX_CHAIN: Final = 16
"""Models that an alias leads to, one after another."""
SHORTEST_S: Final = 3_600
LONGEST_S: Final = 30 * DAY_S
ROOTS: Final = ("host", "models", "aliases", "taken_us", "days")
"""Where a fact can lie in a snapshot. `use` is not kept long enough to be looked at again."""
PURGES: Final = ("downloads", "caches", "orphans", "trash")

_MODEL: Final = re.compile(MODEL_ID.removesuffix("$"))
_ALIAS: Final = re.compile(ALIAS.removesuffix("$"))
_TASK: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_REQUIRED: Final = ("kind", "target", "reason", "assumes", "confidence", "evidence")
_OPTIONAL: Final = ("change", "predicts", "expires_in_s")
_CANONICAL: Final = orjson.OPT_SORT_KEYS

Reader = Callable[[object, str], Any]
"""Takes a value and where it stood; returns it, or raises ProposalInvalid."""


def read(raw: object) -> Proposal:
    """The proposal that `raw`, any JSON, says. Raises ProposalInvalid and nothing else."""
    given = mapping(raw, "proposal", required=_REQUIRED, optional=_OPTIONAL)
    kind = _kind(given["kind"])
    proposal = Proposal(
        kind=kind,
        target=_TARGETS[kind](given["target"], "target"),
        change=_change(kind, given.get("change", {})),
        reason=text(given["reason"], "reason", most=MAX_TEXT),
        assumes=text(given["assumes"], "assumes", most=MAX_TEXT),
        confidence=number(given["confidence"], "confidence", 0, 100),
        evidence=tuple(
            _fact(each, f"evidence[{at}]")
            for at, each in enumerate(listed(given["evidence"], "evidence", 1, MAX_FACTS))
        ),
        predicts=_predicts(given.get("predicts", {})),
        expires_in_s=number(
            given.get("expires_in_s", 7 * DAY_S), "expires_in_s", SHORTEST_S, LONGEST_S
        ),
    )
    if (size := len(canonical(proposal))) > MAX_BYTES:
        raise invalid("proposal", f"has {size} bytes; at most {MAX_BYTES} are kept")
    return proposal


def read_digest(raw: object) -> str:
    """The SHA-256 of a snapshot, as it was handed out. Raises ProposalInvalid."""
    if isinstance(raw, str) and _DIGEST.fullmatch(raw):
        return raw
    raise invalid("snapshot", "is not a digest: 64 of 0-9 and a-f")


def canonical(proposal: Proposal) -> bytes:
    """The bytes that are kept, whose hash the ledger names."""
    return orjson.dumps(proposal.as_plain(), option=_CANONICAL)


def digest_of(proposal: Proposal) -> str:
    return hashlib.sha256(canonical(proposal)).hexdigest()


def same_of(proposal: Proposal) -> str:
    """SHA-256 of what it is about, whatever reason is given for it and by whom."""
    about = {"kind": proposal.kind, "target": proposal.target, "change": dict(proposal.change)}
    return hashlib.sha256(orjson.dumps(about, option=_CANONICAL)).hexdigest()


def of_bytes(body: bytes) -> Proposal:
    """The proposal of bytes that `canonical` made. Raises ValueError where they are others."""
    try:
        return read(orjson.loads(body))
    except ProposalInvalid as error:
        raise ValueError(error.message) from None


def models_of(proposal: Proposal) -> tuple[str, ...]:
    """The models of this machine that it names: each has to be there."""
    if proposal.kind is Kind.ROUTE:
        return tuple(proposal.change["models"])
    return (proposal.target,) if _TARGETS[proposal.kind] is _model else ()


# --- private: what stands where -------------------------------------------------------------


def _kind(value: object) -> Kind:
    if isinstance(value, str) and value in set(Kind):
        return Kind(value)
    raise invalid("kind", f"is none of {', '.join(Kind)}")


def _matching(pattern: re.Pattern[str], what: str) -> Reader:
    def reader(value: object, where: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        raise invalid(where, f"is not {what}", value)

    return reader


_model: Final = _matching(_MODEL, "a model's name, PUBLISHER/NAME")


def _purge(value: object, where: str) -> str:
    if isinstance(value, str) and value in PURGES:
        return value
    raise invalid(where, f"is none of {', '.join(PURGES)}", value)


def _context(value: object, where: str) -> int:
    return number(value, where, 1, 1 << 30)


def _slots(value: object, where: str) -> int:
    return number(value, where, 1, 64)


def _idle(value: object, where: str) -> int:
    return number(value, where, 0, 365 * DAY_S)


def _chain(value: object, where: str) -> list[str]:
    models: list[str] = [
        _model(each, f"{where}[{i}]") for i, each in enumerate(listed(value, where, 1, MAX_CHAIN))
    ]
    if len(set(models)) < len(models):
        raise invalid(where, "names a model twice")
    return models


_TARGETS: Final[Mapping[Kind, Reader]] = {
    Kind.ROUTE: _matching(_ALIAS, "an alias: letters, digits, dots, dashes and underscores"),
    Kind.LOAD: _model,
    Kind.UNLOAD: _model,
    Kind.PIN: _model,
    Kind.UNPIN: _model,
    Kind.DELETE: _model,
    Kind.TERMS: _model,
    Kind.PULL: _matching(_MODEL, "a repository, ORG/NAME"),
    Kind.PURGE: _purge,
    Kind.GUARDRAIL: _matching(_TASK, "a task's id: a-z, 0-9 and -, beginning with a letter"),
}

_CHANGES: Final[Mapping[Kind, Mapping[str, Reader]]] = {
    Kind.ROUTE: {"models": _chain},
    Kind.LOAD: {"context": _context, "slots": _slots},
    Kind.TERMS: {"context": _context, "slots": _slots, "idle_s": _idle},
    Kind.PULL: {"revision": _matching(_REVISION, "a branch, a tag or a commit")},
    Kind.GUARDRAIL: {"intent": read_intent},
}
"""What a change may hold; for a kind that is not here: nothing."""

_NEEDS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.ROUTE: ("models",),
    Kind.GUARDRAIL: ("intent",),
}


def _change(kind: Kind, value: object) -> dict[str, Any]:
    readers, needed = _CHANGES.get(kind, {}), _NEEDS.get(kind, ())
    given = mapping(
        value,
        "change",
        required=needed,
        optional=tuple(name for name in readers if name not in needed),
    )
    if kind is Kind.TERMS and not given:
        raise invalid("change", "is empty: name context, slots or idle_s")
    return {name: readers[name](item, f"change.{name}") for name, item in given.items()}


def _fact(value: object, where: str) -> Evidence:
    given = mapping(value, where, required=("field", "value"))
    path = tuple(
        text(part, f"{where}.field[{i}]", most=MAX_PART)
        for i, part in enumerate(listed(given["field"], f"{where}.field", 1, MAX_PATH))
    )
    if path[0] not in ROOTS:
        raise invalid(f"{where}.field", f"begins with none of {', '.join(ROOTS)}")
    return Evidence(path, _scalar(given["value"], f"{where}.value"))


def _scalar(value: object, where: str) -> int | str | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value, where, least=0, most=MAX_PART)
    return number(value, where, -MOST, MOST)


def _predicts(value: object) -> dict[str, int]:
    given = mapping(value, "predicts", optional=tuple(PREDICTIONS))
    return {name: number(item, f"predicts.{name}", 0, MOST) for name, item in given.items()}
