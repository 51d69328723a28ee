"""The only place that follows what is hashed: a bar in a terminal, lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from app.cli import output
from app.cli.outcomes import CommandError
from app.cli.text import one_line, size

Report = Callable[[str, int, int], None]
"""Path, bytes hashed of it so far, its size."""


_CANCELLED: Final = (
    "Cancelled. The server discards what it had copied so far; the catalog is as before."
)
_UNFINISHED: Final = (
    "The server ended the import without saying how. `lmx models ls` shows whether the model is "
    "there; importing the same files again is safe."
)


def follow(
    lines: Iterator[str], *, cancelled: str = _CANCELLED, unfinished: str = _UNFINISHED
) -> dict[str, Any]:
    """Show progress until the model is in the catalog; Ctrl-C hangs up, which cancels."""
    try:
        with _bar() if sys.stderr.isatty() else _plain() as report:
            for line in lines:
                model = _step(line, report)
                if model is not None:
                    return model
    except KeyboardInterrupt:
        raise CommandError(cancelled) from None
    raise CommandError(unfinished)


def _step(line: str, report: Report) -> dict[str, Any] | None:
    from app.cli.connection import parse_object, refusal

    if not line.strip():
        return None
    event = parse_object(line)
    problem, hashing, done = event.get("error"), event.get("hashing"), event.get("done")
    if isinstance(problem, dict):
        status = problem.get("status")
        raise refusal(problem, status=status if isinstance(status, int) else 500)
    if isinstance(hashing, dict):
        done_bytes, total = hashing.get("done"), hashing.get("total")
        if isinstance(done_bytes, int) and isinstance(total, int):
            of = f"{one_line(hashing['model'])}/" if hashing.get("model") else ""
            report(of + one_line(hashing.get("path")), done_bytes, total)
        return None
    if not isinstance(done, dict):
        return None
    inner = done.get("model")
    return inner if isinstance(inner, dict) else done


@contextmanager
def _plain() -> Iterator[Report]:
    """One line for each file that is done."""
    reported: set[str] = set()

    def report(path: str, done: int, total: int) -> None:
        if done >= total and path not in reported:
            reported.add(path)
            output.note(f"hashed {path} ({size(total)})")

    yield report


@contextmanager
def _bar() -> Iterator[Report]:
    """One bar over all files: several are hashed at once, and a big model has dozens."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("hashing"), BarColumn(bar_width=None), DownloadColumn())
    files: dict[str, tuple[int, int]] = {}
    with Progress(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as progress:
        task = progress.add_task("", total=None)

        def report(path: str, done: int, total: int) -> None:
            files[path] = (done, total)
            progress.update(
                task,
                description=escape(path[-24:]),
                completed=sum(d for d, _ in files.values()),
                total=sum(t for _, t in files.values()),
            )

        yield report
