"""`lmx store`: what takes the disk, what is in the trash, putting back, purging."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from app.cli import output
from app.cli.options import SERVER, AsJson, Reason, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, pick, size, utc_time

app = typer.Typer(name="store", help="What takes the disk, and the trash.", no_args_is_help=True)

BAR: Final = 16
_USES: Final = {
    "trash": "in the trash",
    "incoming": "imports at work",
    "downloads": "left over from downloads",
    "caches": "caches",
    "orphans": "orphans: nobody refers to them",
}


@app.command("ls")
def ls(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """Show what takes the disk: per model, shared, trash, caches, leftovers, orphans.

    A model's line is what its deletion would free; what it shares with others is told beside it.
    """
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/store")
    models = rows(answer, "models")
    if as_json:
        output.as_json(answer)
        return
    lines = [*_lines(answer, models)]
    whole = _count(pick(answer, "total", "bytes"))
    output.say(f"{'SIZE':>10}  {'':<{BAR}}  WHAT")
    for count, what in lines:
        output.say(*_bar_line(count, whole, what))
    free, total = (pick(answer, "volume", k) for k in ("free_bytes", "total_bytes"))
    output.say("", f"{size(whole):>10}  in all; {size(free)} of {size(total)} are free")
    for name in answer.get("orphans") or []:
        output.note(f"orphan: {one_line(name)}")


@app.command("trash")
def trash(server: ServerUrl = SERVER, as_json: AsJson = False) -> None:
    """List what was deleted and can be restored, and until when."""
    from app.cli.connection import connected, rows

    with connected(server) as authority:
        answer = authority.get("/authority/store/trash")
    found = rows(answer, "trash")
    if as_json:
        output.as_json(answer)
        return
    output.show_table(
        ("id", "model", "size", "state", "purged after"),
        [
            (
                one_line(entry.get("id")),
                one_line(entry.get("model_id")),
                size(entry.get("size_bytes")),
                one_line(entry.get("state")),
                utc_time(entry.get("purge_after_us")),
            )
            for entry in found
        ],
        empty="The trash is empty.",
        right=frozenset({"size"}),
    )


@app.command("restore")
def restore(
    which: Annotated[
        str, typer.Argument(metavar="ID|MODEL", help="As `lmx store trash` shows it.")
    ],
    server: ServerUrl = SERVER,
) -> None:
    """Put a deleted model back, whole, with its aliases, terms, pin and note."""
    from app.cli.connection import connected

    with connected(server) as authority:
        model = authority.post("/authority/store/restore", {"trash": which}, patient=True)
    output.show_fields([(k, one_line(model.get(k))) for k in ("id", "digest", "trust")])


@app.command("purge")
def purge(  # noqa: PLR0917 - the options of a command
    downloads: Annotated[
        bool, typer.Option("--downloads", help="Leftovers of downloads and imports.")
    ] = False,
    caches: Annotated[bool, typer.Option("--caches", help="Prompt caches.")] = False,
    orphans: Annotated[
        bool, typer.Option("--orphans", help="Files of the store that nobody refers to.")
    ] = False,
    trash: Annotated[
        str | None, typer.Option("--trash", metavar="ID", help="One entry of the trash.")
    ] = None,
    trash_all: Annotated[bool, typer.Option("--trash-all", help="The whole trash.")] = False,
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Remove for good what nobody needs, or what is in the trash. Needs an approval.

    Shows the plan and asks for a typed phrase; no flag skips that. Exits with 4 while it waits for
    somebody else, or where there is no terminal.
    """
    chosen = {
        "downloads": downloads,
        "caches": caches,
        "orphans": orphans,
        f"trash/{trash}": trash is not None,
        "trash": trash_all,
    }
    wanted = [what for what, given in chosen.items() if given]
    if len(wanted) != 1:
        raise CommandError(
            "Say what to purge, one at a time: --downloads, --caches, --orphans, --trash ID or "
            "--trash-all. `lmx store ls` shows what there is.",
            exit_code=ExitCode.USAGE,
        )
    from app.cli.asking import follow
    from app.cli.connection import connected

    with connected(server) as authority:
        body = {"what": wanted[0], "reason": reason}
        made = authority.post("/authority/store/purge", body, patient=True)
        follow(authority, str(made.get("id")))


def _lines(answer: dict[str, Any], models: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Bytes and what they are for, the largest model first; together they are the whole."""
    for model in sorted(models, key=lambda m: -_count(pick(m, "own", "bytes"))):
        shared, elsewhere = (_count(pick(model, k, "bytes")) for k in ("shared", "elsewhere"))
        more = f" (+ {size(shared)} shared)" if shared else ""
        more += f" ({size(elsewhere)} kept by another program)" if elsewhere else ""
        yield _count(pick(model, "own", "bytes")), one_line(model.get("id")) + more
    yield _count(pick(answer, "shared", "bytes")), "shared by several models"
    for use, what in _USES.items():
        yield _count(pick(answer, "uses", use, "bytes")), what


def _bar_line(count: int, whole: int, what: str) -> list[str]:
    """A line, continued below `what` where the terminal is narrow."""
    from textwrap import wrap

    filled = 0 if count <= 0 or whole <= 0 else max(1, min(BAR, round(BAR * count / whole)))
    start = f"{size(count):>10}  {'#' * filled:<{BAR}}  "
    width = output.width()
    if width is None or width < len(start) + 10:
        return [start + what]
    parts = wrap(what, width - len(start)) or [""]
    return [start + parts[0], *(" " * len(start) + part for part in parts[1:])]


def _count(found: object) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
