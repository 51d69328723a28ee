"""How `lmx backup` shows what it does and what it found."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.cli import output
from app.cli.text import one_line, utc_time

if TYPE_CHECKING:
    from app.backups import Verified


def show(found: "Verified") -> None:
    import textwrap

    width = output.width_of(sys.stdout)

    def lines(text: str) -> list[str]:
        return [text] if width is None else textwrap.wrap(text, width, subsequent_indent="  ")

    if (manifest := found.manifest) is not None:
        output.show_fields(
            [
                ("backup", one_line(manifest.name)),
                ("made", f"{utc_time(manifest.made_us)} by release {one_line(manifest.release)}"),
                ("schema", one_line(manifest.schema)),
                ("events", f"{manifest.events:,}"),
                ("models", f"{len(manifest.models)} in the catalog; their weights are not in it"),
            ]
        )
        output.say("")
    for sentence in found.wrong:
        output.say(*lines(f"WRONG: {sentence}"))
    for sentence in found.checked:
        output.say(*lines(f"checked: {sentence}"))
    for sentence in found.notes:
        output.say(*lines(f"not checked: {sentence}"))
    verdict = "The backup holds." if found.holds else "The backup DOES NOT HOLD: do not rely on it."
    output.say("", verdict)


def wrapped(sentences: list[str]) -> list[str]:
    """Sentences for stderr, as lines of the terminal there; whole where there is none."""
    import textwrap

    width = output.width_of(sys.stderr)
    if width is None:
        return sentences
    return [line for sentence in sentences for line in textwrap.wrap(sentence, width)]


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing otherwise."""
    if not sys.stderr.isatty():
        yield lambda _done, _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (TextColumn(what), BarColumn(bar_width=None), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, size: shown.update(task, completed=done, total=size)
