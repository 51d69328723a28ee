"""`lmx models adopt`: models that other programs keep, used where they lie."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import imports, output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, size


class Program(StrEnum):
    """Whose cache; the values are the server's."""

    HF = "hf"
    LMSTUDIO = "lmstudio"


def adopt(
    program: Annotated[
        Program | None, typer.Argument(metavar="[hf|lmstudio]", help="Whose cache.")
    ] = None,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[NAME|PATH]", help="A model of that cache, or its directory."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PUBLISHER/NAME", help="Its name in the catalog."),
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Use a model of Hugging Face's or LM Studio's cache where it lies, without a copy.

    Without arguments it lists what those caches hold, and why some of it cannot be adopted.
    Nothing of theirs is ever written, and nothing is removed when the model is deleted here.
    """
    from app.cli.connection import connected, rows

    if program is None:
        with connected(server) as authority:
            answer = authority.get("/authority/models/adopt")
        _list(rows(answer, "candidates"), answer, as_json)
        return
    if what is None:
        raise CommandError(
            "Say which model: its name, as `lmx models adopt` lists it, or its directory.",
            exit_code=ExitCode.USAGE,
        )
    with connected(server) as authority:
        body = {"program": program.value, "what": _meant(what), "name": name}
        model = imports.follow(authority.lines("/authority/models/adopt", body))
    if as_json:
        output.as_json(model)
        return
    output.show_fields([(k, one_line(model.get(k))) for k in ("id", "digest", "trust", "source")])


def _list(found: list[dict[str, Any]], answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("name", "program", "size", "adopted as", "cannot be adopted because"),
        [
            (
                one_line(one.get("name")),
                one_line(one.get("program")),
                size(one.get("size_bytes")),
                one_line(one.get("adopted_as")),
                one_line(one.get("why_not")),
            )
            for one in found
        ],
        empty="Neither Hugging Face nor LM Studio keeps models for the server's account.",
        right=frozenset({"size"}),
    )


def _meant(what: str) -> str:
    """A path is one that begins as one; links in it are left for the server to see and judge."""
    if what.startswith(("/", "./", "../", "~")) or what in (".", ".."):
        return os.path.abspath(Path(what).expanduser())  # noqa: PTH100 - resolve follows links
    return what
