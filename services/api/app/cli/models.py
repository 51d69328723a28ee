"""`lmx models`: what the catalog knows and what is asked of the authority about one model."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import annotations, imports, output, pulls, verifying
from app.cli.options import SERVER, AsJson, Context, ModelName, ServerUrl, Slots
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import exact_bytes, one_line, pick, size, utc_seconds

app = typer.Typer(name="models", help="The catalog, and loading from it.", no_args_is_help=True)
annotations.register(app)
pulls.register(app)

_NEED_TERMS = {
    "weights_bytes": "weights",
    "kv_bytes": "cache for the context and slots",
    "prompt_cache_bytes": "remembered prompts",
    "workspace_bytes": "workspace",
    "worker_base_bytes": "worker itself",
    "total_bytes": "need",
}


@app.command("ls")
def ls(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List the models of the catalog, with how far their files are trusted."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/models")
    found = rows(answer, "models")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("name", "state", "trust", "size", "context", "kind", "aliases", "pinned", "note"),
        map(_row, found),
        empty="The catalog is empty: lmx models import DIR",
        right=frozenset({"size", "context"}),
    )


@app.command("show")
def show(name: ModelName, server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show one model: its digest, its shape and every file with its SHA-256."""
    from app.cli.connection import connected, model_path, rows

    with connected(server) as authority:
        answer = authority.get(model_path(name))
    files = rows(answer, "files")
    if as_json:
        output.as_json(answer)
        return
    plain = (
        *("id", "state", "trust", "digest", "architecture", "max_context", "source"),
        *("aliases", "pinned", "note", "repo", "revision"),
    )
    output.show_fields(
        [
            *((label.replace("_", " "), one_line(answer.get(label))) for label in plain),
            ("size", f"{size(answer.get('size_bytes'))} ({exact_bytes(answer.get('size_bytes'))})"),
            *_kind(pick(answer, "shape") or {}),
            ("terms", annotations.shown_terms(answer)),
            ("chains", annotations.shown_chains(answer)),
            ("licence", one_line(answer.get("licence"))),
            ("created", utc_seconds(answer.get("created"))),
            ("signature", _signature(answer)),
        ]
    )
    output.say("")
    output.show_table(
        ("file", "size", "sha256"),
        [(one_line(f.get("path")), size(f.get("size")), one_line(f.get("sha256"))) for f in files],
        empty="It has no files.",
        right=frozenset({"size"}),
    )


@app.command("fit")
def fit(
    target: Annotated[
        str,
        typer.Argument(
            metavar="NAME|DIR", help="A model, or a directory or .gguf that holds one (./DIR)."
        ),
    ],
    context: Context = None,
    slots: Slots = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Print what loading would need against what is free, without loading.

    Exits with 3 when it does not fit.
    """
    from app.cli.connection import connected

    body = {**_model_or_path(target), "context": context, "slots": slots}
    with connected(server) as authority:
        answer = authority.post("/authority/models/fit", body, patient=True)
    fits = answer.get("verdict") == "fits"
    if as_json:
        output.as_json(answer)
    else:
        output.show_fields(_kind(answer))
        output.say("")
        output.show_table(
            ("term", "bytes", "size"),
            _arithmetic(answer),
            empty="",
            right=frozenset({"bytes", "size"}),
        )
        output.say("", "fits" if fits else "does not fit")
    if not fits:
        raise CommandError(one_line(answer.get("message")), exit_code=ExitCode.REFUSED)
    if not as_json:
        output.note(one_line(answer.get("message")))


@app.command("import")
def import_(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Holds the model's files; or a .gguf file.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PUBLISHER/NAME", help="Its name in the catalog."),
    ] = None,
    server: ServerUrl = SERVER,
) -> None:
    """Hash a model's files, check them and take them into the store."""
    if not directory.is_dir() and not _is_gguf(directory):
        raise CommandError(
            f"{directory} is neither a directory nor a .gguf file.", exit_code=ExitCode.USAGE
        )
    from app.cli.connection import connected

    with connected(server) as authority:
        model = imports.follow(
            authority.lines(
                "/authority/models/import", {"path": _absolute(directory), "name": name}
            )
        )
    fields = [(k, one_line(model.get(k))) for k in ("id", "digest", "trust")]
    output.show_fields([*fields, ("signature", _signature(model))])


@app.command("load")
def load(
    name: ModelName,
    context: Context = None,
    slots: Slots = None,
    pin: Annotated[bool, typer.Option("--pin", help="Never make room by unloading it.")] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Load a model now; what has no value is the server's choice."""
    _act(server, name, "load", {"context": context, "slots": slots, "pinned": pin or None})


@app.command("unload")
def unload(name: ModelName, server: ServerUrl = SERVER) -> None:
    """Let a model finish its answers, then free its memory. Its files stay."""
    _act(server, name, "unload", {})


app.command("verify")(verifying.verify)


def _act(server: str, name: str, act: str, body: dict[str, Any]) -> None:
    from app.cli.connection import connected, model_path

    with connected(server) as authority:
        answer = authority.post(model_path(name, act), body, patient=True)
    rows = [(label, value) for label, value in answer.items() if value is not None]
    output.show_fields(
        [
            (
                label.removesuffix("_bytes").replace("_", " "),
                size(value) if label.endswith("_bytes") else one_line(value),
            )
            for label, value in rows
            if not isinstance(value, dict)
        ]
    )


def _kept_as(model: dict[str, Any]) -> str:
    """The format, behind what the model is for where that is not generating."""
    task = model.get("task")
    words = (task if task != "generate" else None, model.get("format"))
    return " ".join(one_line(word) for word in words if word) or "-"


def _kind(shape: dict[str, Any]) -> list[tuple[str, str]]:
    """What it is for, how its weights are kept and how many there are; a dash: not known."""
    parameters = shape.get("parameters") or None
    return [
        ("task", one_line(shape.get("task"))),
        ("format", one_line(shape.get("format"))),
        ("quantization", one_line(shape.get("quantization"))),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else "-"),
    ]


def _signature(model: dict[str, Any]) -> str:
    """What the signature was worth when the model came."""
    said = {
        "verified": f"holds, by {one_line(model.get('signer'))}",
        "unknown_signer": "by a key that nobody here trusts",
        "absent": "none",
    }
    return said.get(one_line(model.get("signature")), "-")


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    return (
        *(one_line(model.get(name)) for name in ("id", "state", "trust")),
        size(model.get("size_bytes")),
        one_line(model.get("max_context")),
        _kept_as(model),
        one_line(model.get("aliases")),
        "pinned" if model.get("pinned") else "-",
        one_line(model.get("note")),
    )


def _arithmetic(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Each term of the need and its sum, then each term of the budget and what it comes to."""
    need, budget = pick(answer, "need") or {}, pick(answer, "budget") or {}
    last = "budget_bytes"
    ordered = [k for k in budget if k != last] + [k for k in budget if k == last]
    labelled = [(label, need.get(term)) for term, label in _NEED_TERMS.items()]
    labelled += [(_budget_label(term), budget.get(term)) for term in ordered]
    return [
        (one_line(label), exact_bytes(count), size(count))
        for label, count in labelled
        if count is not None
    ]


def _budget_label(term: str) -> str:
    if term == "budget_bytes":
        return "budget"
    named = term.removesuffix("_bytes").replace("_", " ")
    return f"machine: {named.replace('promised untaken', 'promised, not yet taken')}"


def _model_or_path(target: str) -> dict[str, str]:
    """A directory or a GGUF is meant where one exists and it is written as a path."""
    path = Path(target)
    if ("/" in target or "." in target) and (path.is_dir() or _is_gguf(path)):
        return {"path": _absolute(path)}
    return {"model": target}


def _is_gguf(path: Path) -> bool:
    return path.suffix == ".gguf" and path.is_file()


def _absolute(directory: Path) -> str:
    """As the server has to be told it; links are left for it to see and judge."""
    return os.path.abspath(directory)  # noqa: PTH100 - Path.resolve would follow links
