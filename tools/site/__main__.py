"""Builds the documentation as a site of plain files, from Markdown, with no network.

    python -m tools.site [DIRECTORY]     default: build/site

Every page opens from the disk as it does from a server: links are relative, the search's index is
a script, and nothing is loaded from anywhere else. A page without a place, and a link that leads
nowhere, stop the build.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from tools.site import links, nav
from tools.site.markdown import Document, Part, render

HERE = Path(__file__).parent
DEFAULT = nav.ROOT / "build" / "site"
LONGEST_TEXT = 2000
"""Characters of a part that the search looks through: the long tables are found by their heads."""


MOST_CONTENTS = 40


class SiteBroken(Exception):
    """The site cannot be built; the text has one line for each reason."""


def documents() -> dict[str, Document]:
    """Every page of the site, by its path in the repository."""
    lost = nav.unplaced()
    if lost:
        listed = "\n".join(lost)
        raise SiteBroken(f"These have no place in tools/site/nav.py, or are no file:\n{listed}")
    pages = [*nav.named(), *nav.decisions()]
    return {
        page: render(
            (nav.ROOT / page).read_text("utf-8"),
            address=partial(links.address, page=page, pages=pages),
            name=partial(links.name_of, page=page, names=nav.named()),
        )
        for page in pages
    }


def build(to: Path) -> int:
    """Write the whole site into `to`, which is replaced; the number of its pages."""
    made = documents()
    dead = links.dead_links(made, nav.ROOT)
    if dead:
        raise SiteBroken("These links lead nowhere:\n" + "\n".join(dead))
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    template = _template()
    for page, document in made.items():
        _write(to / links.output_of(page), _page(template, page, document))
    shown = _shown_files(made)
    for path in shown:
        document = _listing(path)
        text = _page(template, path, document, output=links.source_output(path))
        _write(to / links.source_output(path), text)
    for name in ("style.css", "site.js"):
        shutil.copyfile(HERE / name, to / name)
    _write(to / "code.css", _code_colours())
    _write(to / "search.js", f"const INDEX = {_index(made)};\n")
    return len(made) + len(shown)


def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, autoescape=True).get_template("page.html.j2")


def _page(
    template: jinja2.Template, page: str, document: Document, *, output: str | None = None
) -> str:
    address = output or links.output_of(page)
    up = "../" * address.count("/")
    names = nav.named()
    sections: list[dict[str, Any]] = [
        {
            "title": section.title,
            "pages": [
                {"name": name, "address": up + links.output_of(path), "here": path == page}
                for path, name in section.pages
                if path in names
            ],
        }
        for section in nav.SECTIONS
    ]
    return template.render(
        title=document.title or names.get(page, page),
        body=Markup(document.html),
        contents=_contents(document),
        sections=sections,
        up=up,
        source=page,
    )


def _contents(document: Document) -> list[Part]:
    """The page's headings for its margin; of a very long page only the upper ones."""
    both = [part for part in document.parts if part.level in (2, 3)]
    return both if len(both) <= MOST_CONTENTS else [part for part in both if part.level == 2]


def _shown_files(made: Mapping[str, Document]) -> list[str]:
    """Files of the repository that pages link to."""
    targets = (links.target_of(link, page=page) for page, one in made.items() for link in one.links)
    named = {target.path for target in targets if target}
    return sorted(path for path in named if path not in made and f"{path}/README.md" not in made)


def _listing(path: str) -> Document:
    text = (nav.ROOT / path).read_text("utf-8")
    kind = {".py": "python", ".yaml": "yaml", ".conf": "nginx", ".json": "json"}
    language = kind.get(Path(path).suffix, "text")
    fence = "`" * 8
    return render(f"# {path}\n\n{fence}{language}\n{text}\n{fence}\n", address=str)


def _index(made: Mapping[str, Document]) -> str:
    """Page, heading, address and text of every part."""
    rows = [
        [document.title, part.title, _found_at(page, part.anchor), part.text[:LONGEST_TEXT]]
        for page, document in made.items()
        for part in document.parts
    ]
    # Inside a script, "</" could end it.
    return json.dumps(rows, ensure_ascii=False).replace("</", "<\\/")


def _found_at(page: str, anchor: str) -> str:
    return f"{links.output_of(page)}#{anchor}"


def _code_colours() -> str:
    light = HtmlFormatter(style="friendly", classprefix="k-").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark", classprefix="k-").get_style_defs("pre")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.rstrip("\n") + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    to = Path(arguments[0]) if arguments else DEFAULT
    try:
        pages = build(to)
    except SiteBroken as broken:
        print(broken)
        return 1
    print(f"wrote {pages} pages: open {to / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
