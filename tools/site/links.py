"""Where the links of the Markdown lead: on the site, in the repository, or nowhere."""

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.site.markdown import Document

ELSEWHERE = ("https://", "http://", "mailto:")


def output_of(path: str) -> str:
    """The site's address of a page of the repository, relative to the site's own top."""
    if path == "docs/index.md":
        return "index.html"
    stem = path.removeprefix("docs/").removesuffix(".md")
    if stem.endswith("README"):
        stem = "readme" if stem == "README" else stem.removesuffix("README") + "index"
    return f"{stem.lower() if '/' not in stem else stem}.html"


def source_output(path: str) -> str:
    """The address of a file of the repository that is shown as it is."""
    return f"source/{path}.html"


@dataclass(frozen=True, slots=True)
class Target:
    """A link's file, relative to the repository, and its anchor."""

    path: str
    anchor: str


def target_of(link: str, *, page: str) -> Target | None:
    """What a link of `page` names; None where it leads out of the repository."""
    if link.startswith(ELSEWHERE):
        return None
    path, _, anchor = link.partition("#")
    if not path:
        return Target(page, anchor)
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    return Target(joined, anchor)


def address(link: str, *, page: str, pages: Collection[str]) -> str:
    """The same link between the files of the site."""
    target = target_of(link, page=page)
    if target is None:
        return link
    to = next((one for one in (target.path, f"{target.path}/README.md") if one in pages), None)
    found = output_of(to) if to else source_output(target.path)
    here = posixpath.dirname(output_of(page))
    return posixpath.relpath(found, here or ".") + (f"#{target.anchor}" if target.anchor else "")


def name_of(link: str, *, page: str, names: Mapping[str, str]) -> str:
    """What the page that a link leads to is called on the site; else the link as written."""
    target = target_of(link, page=page)
    return names.get(target.path, link) if target else link


def dead_links(documents: Mapping[str, Document], root: Path) -> list[str]:
    """Each link that leads to no file, or to no heading of it: "PAGE: LINK: why"."""
    found: list[str] = []
    for page, document in documents.items():
        for link in document.links:
            target = target_of(link, page=page)
            if target is None:
                continue
            why = _dead(target, documents, root)
            if why:
                found.append(f"{page}: {link}: {why}")
    return found


def _dead(target: Target, documents: Mapping[str, Document], root: Path) -> str:
    name = target.path
    if target.path not in documents and f"{target.path}/README.md" in documents:
        name = f"{target.path}/README.md"
    if name in documents:
        there = not target.anchor or target.anchor in documents[name].anchors
        return "" if there else "has no such heading"
    if target.path.startswith("..") or not (root / target.path).is_file():
        return "is no page and no file"
    return "anchors lead into pages only" if target.anchor else ""
