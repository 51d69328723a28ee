"""How guardrails read in a terminal: what is wrong with them, what they say, what they became."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import duration, one_line, pick

ROOT: Final = "/authority/guardrails"
_MARKDOWN: Final = frozenset({".md", ".markdown"})
_MOST: Final = 1 << 20

LISTED: Final = 60
"""Keys that are shown to a person; --json has all of them."""

Rows = list[tuple[str, str]]

Said = Annotated[str | None, typer.Argument(metavar="INTENT", help="In plain words, in quotes.")]
Structure = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Instead of words: a structure, as JSON."),
]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="C", help="Go on after a page that ended so.")
]
Limit = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=500, help="At most so many.")
]


def note_more(answer: Mapping[str, Any]) -> None:
    """How to go on, where a list is longer than its page."""
    if answer.get("next"):
        output.note(f"There may be more: --cursor {one_line(answer['next'])}")


def document_of(file: Path) -> dict[str, str]:
    """A document as it is sent; Markdown where its name ends so."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST + 1)  # what never ends is not read to its end
    except OSError as error:
        raise CommandError(
            f"{one_line(file)} cannot be read: {error.strerror}.", exit_code=ExitCode.USAGE
        ) from error
    if len(content) > _MOST:
        raise CommandError(
            f"{one_line(file)} is larger than a guardrails document may be (1 MiB).",
            exit_code=ExitCode.USAGE,
        )
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{one_line(file)} is not UTF-8 text. Nothing was sent.",
            exit_code=ExitCode.USAGE,
        ) from error
    return {"text": text, "form": "markdown" if file.suffix.lower() in _MARKDOWN else "yaml"}


def intent_said(intent: str | None, file: Path | None) -> str | dict[str, Any]:
    """The intent in words, or as the structure that a file of JSON holds: one of the two."""
    if (intent is None) is (file is None):
        raise CommandError(
            "Say the intent in words, or give a structure with --file: one of the two.",
            exit_code=ExitCode.USAGE,
        )
    if file is None:
        return str(intent)
    try:
        found = json.loads(document_of(file)["text"])
    except (ValueError, RecursionError) as error:
        raise CommandError(
            f"{one_line(file)} is not JSON: {one_line(error)}.", exit_code=ExitCode.USAGE
        ) from error
    if not isinstance(found, dict):
        raise CommandError(
            f'{one_line(file)} holds no structure: {{"action": .., "points": [..], "when": ..}}.',
            exit_code=ExitCode.USAGE,
        )
    return found


def path(*steps: str) -> str:
    """An address below /authority/guardrails: a name in it can be no other address."""
    for step in steps:
        if not (step.isascii() and step.replace("-", "").isalnum()):
            raise CommandError(
                f"{one_line(step)!r} is no name here: they are of a-z, 0-9 and -.",
                exit_code=ExitCode.USAGE,
            )
    return "/".join((ROOT, *steps))


@contextmanager
def explaining(file: Path | None = None) -> Iterator[None]:
    """Before the sentence of a refusal, say all it knows: errors, violations, choices."""
    try:
        yield
    except CommandError as error:
        for line in [*error_lines(file, error.problem), *_open_ends(error)]:
            output.note(line)
        raise (unusable(file, error.problem) if file else None) or _asking(error) from None


def unusable(file: Path, problem: Mapping[str, Any]) -> CommandError | None:
    """How many errors there are: each of them stands above, in a line of its own."""
    wrong = len(_rows(problem, "errors"))
    if not wrong:
        return None
    count = f"{wrong} error{'s' if wrong != 1 else ''}"
    return CommandError(f"{one_line(file)} cannot be used: {count}.", exit_code=ExitCode.USAGE)


def error_lines(file: Path | None, problem: Mapping[str, Any]) -> list[str]:
    """`FILE:LINE:COLUMN: message`, as compilers print it; editors jump to such lines."""
    return [
        f"{one_line(file) if file else 'document'}:{one_line(row.get('line'))}:"
        f"{one_line(row.get('column'))}: {_at(row)}{one_line(row.get('message'))}"
        for row in _rows(problem, "errors")
    ]


def _at(row: Mapping[str, Any]) -> str:
    where = row.get("path")
    return f"{one_line(where)}: " if where else ""


def _open_ends(error: CommandError) -> Iterator[str]:
    problem = error.problem
    for row in _rows(problem, "violations"):
        where = f" ({one_line(row['where'])})" if row.get("where") else ""
        yield f"{one_line(row.get('rule'))}: {one_line(row.get('message'))}{where}"
    choices = problem.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        yield f"  - {one_line(choice)}"


def _asking(error: CommandError) -> CommandError:
    """The question alone: its choices, as all violations, stand above."""
    code = one_line(error.problem.get("code"))
    if _rows(error.problem, "violations"):
        said = f"The guardrails do not allow this. [{code}]"
        return CommandError(said, exit_code=error.exit_code)
    question = error.problem.get("question")
    if not isinstance(question, str):
        return error
    where = error.problem.get("where")
    at = f" ({one_line(where)})" if where else ""
    return CommandError(f"{one_line(question)}{at} [{code}]", exit_code=error.exit_code)


def value(found: object) -> str:
    """A value of a document as YAML would have it; what is not there is `nothing`."""
    if found is None:
        return "nothing"
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, list):
        return f"[{', '.join(value(one) for one in found)}]"
    if isinstance(found, Mapping):
        return f"{{{', '.join(f'{one_line(k)}: {value(v)}' for k, v in found.items())}}}"
    return one_line(found)


def show_keys(keys: object, heading: str) -> None:
    listed = keys if isinstance(keys, list) else []
    if not listed:
        return
    output.say("", heading, *(f"  {one_line(key)}" for key in listed[:LISTED]))
    if len(listed) > LISTED:
        output.say(f"  and {len(listed) - LISTED} more; --json lists all")


def change(row: Mapping[str, Any]) -> str:
    return f"{value(row.get('before'))} -> {value(row.get('after'))}"


def meaning(task: Mapping[str, Any]) -> Rows:
    """What an intent was compiled to, in a few lines."""
    intent = task.get("intent")
    said = intent if isinstance(intent, str) and intent else "(given as a structure)"
    under = task.get("guardrails")
    return [
        ("intent", one_line(said)),
        ("means", one_line(task.get("sentence"))),
        ("action", one_line(task.get("action"))),
        ("asked at", one_line(task.get("points"))),
        ("guardrails", document_name(under)),
        ("ir hash", one_line(task.get("ir_hash"))),
        ("binding hash", one_line(task.get("binding_hash"))),
    ]


def document_name(found: object) -> str:
    """`version 1, 3f9c2b...`: a document by its number and the beginning of its hash."""
    if not isinstance(found, Mapping):
        return f"version {found}" if isinstance(found, int) else one_line(found)
    return f"version {one_line(found.get('version'))}, {one_line(found.get('hash'))[:12]}"


def why(task: Mapping[str, Any]) -> Iterator[Rows]:
    """Of each clause: its strategy and parameters, where each comes from, what was passed over."""
    leaves = dict(_leaves(task.get("condition"), "when"))
    for clause in _rows(task.get("trace") or {}, "clauses"):
        leaf = leaves.get(str(clause.get("path")), {})
        rows = [(one_line(clause.get("path")), _leaf(leaf))]
        if clause.get("implied_by"):
            rows.append(("  watched", one_line(clause["implied_by"])))
        rows += [
            (f"  {one_line(p.get('name'))}", f"{_parameter(p)}: {_because(p)}")
            for p in _rows(clause, "parameters")
        ]
        severity = clause.get("severity") or {}
        rows.append(("  severity", _severity(severity)))
        for candidate in _rows(clause, "candidates"):
            if candidate.get("won"):
                rows.append(("  strategy", f"{_leaf_strategy(candidate)}: {_because(candidate)}"))
            elif candidate.get("strategy"):
                rows.append(("  not", f"{_leaf_strategy(candidate)}: {_because(candidate)}"))
        yield rows


def _parameter(chosen: Mapping[str, Any]) -> str:
    found = chosen.get("value")
    return duration(found) if chosen.get("name") == "window" else value(found)


def _because(row: Mapping[str, Any]) -> str:
    return f"{one_line(row.get('source'))}, {one_line(row.get('why'))}"


def _leaf_strategy(candidate: Mapping[str, Any]) -> str:
    return one_line(candidate.get("strategy"))


def _severity(severity: Mapping[str, Any]) -> str:
    words = severity.get("words")
    said = f" (said: {one_line(words)})" if words else ""
    shifts = severity.get("shifts")
    moved = ", ".join(
        f"{one_line(rule)} {shift:+d}"
        for rule, shift in (shifts.items() if isinstance(shifts, Mapping) else ())
        if isinstance(shift, int)
    )
    bias = one_line(severity.get("bias"))
    return f"{one_line(severity.get('tier'))}{said}; bias: {bias}{f' ({moved})' if moved else ''}"


def _leaf(leaf: Mapping[str, Any]) -> str:
    scope = leaf.get("scope")
    each = f", for each {one_line(scope)}" if scope in ("model", "actor") else ""
    return f"{one_line(leaf.get('strategy'))} of {one_line(leaf.get('primitive'))}{each}"


def _leaves(condition: Any, at: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every strategy of a condition by its place: `when`, `when.1`, `when.0.1`."""
    if not isinstance(condition, Mapping):
        return
    operands = condition.get("operands")
    if isinstance(operands, list):
        for number, operand in enumerate(operands):
            yield from _leaves(operand, f"{at}.{number}")
    elif pick(condition, "primitive"):
        yield at, condition


def _rows(found: Any, name: str) -> list[Mapping[str, Any]]:
    listed = found.get(name) if isinstance(found, Mapping) else None
    return [row for row in listed if isinstance(row, Mapping)] if isinstance(listed, list) else []
