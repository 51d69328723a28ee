"""The documentation's site: built once, whole, and with nothing from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tools.site import nav
from tools.site.__main__ import build
from tools.site.links import address, dead_links, output_of, target_of
from tools.site.markdown import anchor_of, render

ROLES = ("first-five-minutes", "operator", "reviewer", "auditor", "bots")
REFERENCE = ("cli", "http", "errors", "events", "contract")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("site") / "site"
    assert build(to) > 60
    return to


class Page(HTMLParser):
    """What a page links to and loads, and the ids in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        elif given.get("src") or (tag == "link" and given.get("href")):
            self.loaded.append(str(given.get("src") or given.get("href")))


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


def local(page: Page, links: list[str]) -> Iterator[tuple[str, Path, str]]:
    for link in links:
        if not link.startswith(("https://", "http://", "data:")):
            path, _, anchor = link.partition("#")
            to = (page.path.parent / unquote(path)).resolve() if path else page.path.resolve()
            yield link, to, anchor


def test_every_link_and_anchor_of_the_built_site_leads_somewhere(pages: dict[Path, Page]) -> None:
    dead = [
        f"{page.path.name}: {link}"
        for page in pages.values()
        for link, to, anchor in local(page, page.links)
        if to not in pages or (anchor and anchor not in pages[to].ids)
    ]
    assert dead == []


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for page in pages.values():
        assert len(list(local(page, page.loaded))) == len(page.loaded) - 1  # the empty icon
        assert all(to.is_file() for _, to, _ in local(page, page.loaded))
    for name in ("style.css", "code.css", "site.js"):
        text = (site / name).read_text("utf-8")
        assert not re.search(r"url\(|@import|https?://|fetch\(", text), name


def test_every_page_is_reached_from_the_first_one(site: Path, pages: dict[Path, Page]) -> None:
    seen: set[Path] = set()
    waiting = [(site / "index.html").resolve()]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            waiting += [to for _, to, _ in local(pages[page], pages[page].links)]
    assert set(pages) == seen


def test_no_id_of_a_page_is_there_twice(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        assert len(page.ids) == len(set(page.ids)), page.path


def test_the_site_has_a_page_for_everybody_and_the_whole_reference(site: Path) -> None:
    for name in (*ROLES, *REFERENCE):
        text = (site / f"{name}.html").read_text("utf-8")
        assert len(text) > 3000, name


def test_the_search_finds_parts_that_are_there(site: Path, pages: dict[Path, Page]) -> None:
    index = (site / "search.js").read_text("utf-8")
    assert "</script" not in index
    found = re.findall(r'"([\w./-]+\.html)#([^"]*)"', index)
    assert len(found) > 500
    for path, anchor in found:
        assert anchor in pages[(site / path).resolve()].ids, (path, anchor)


def test_every_page_under_docs_has_a_place() -> None:
    assert nav.unplaced() == []


def test_a_link_to_nothing_a_missing_heading_and_a_way_out_are_dead() -> None:
    text = "# A\n\n[x](gone.md) [y](#nowhere) [z](../../etc/passwd) [u](b.md#b) [v](https://x)\n"
    made = {
        "docs/a.md": render(text, address=str),
        "docs/b.md": render("# B\n", address=str),
    }
    assert [line.split(": ")[1] for line in dead_links(made, nav.ROOT)] == [
        "gone.md",
        "#nowhere",
        "../../etc/passwd",
    ]


def test_headings_get_the_anchors_that_github_gives_them() -> None:
    assert anchor_of("`GET /v1/models`") == "get-v1models"
    assert anchor_of("Who did what?") == "who-did-what"
    assert anchor_of("Twice", ["twice", "twice-1"]) == "twice-2"


def test_html_in_a_page_stays_text_and_its_first_comment_goes() -> None:
    html = render("<!-- Written by x. -->\n\n# T\n\n<script>x</script>\n", address=str).html
    assert "<script>" not in html
    assert "Written" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("page", "link", "leads"),
    [
        ("docs/a.md", "b.md#c", "b.html#c"),
        ("docs/decisions/README.md", "../a.md", "../a.html"),
        ("docs/a.md", "../README.md", "readme.html"),
        ("README.md", "docs/decisions/", "decisions/index.html"),
        ("docs/a.md", "../tools/docs.py", "source/tools/docs.py.html"),
        ("docs/a.md", "https://example.org/", "https://example.org/"),
    ],
)
def test_a_link_of_the_repository_is_one_of_the_site(page: str, link: str, leads: str) -> None:
    known = ("docs/a.md", "docs/b.md", "README.md", "docs/decisions/README.md")
    assert address(link, page=page, pages=known) == leads


def test_pages_have_addresses_of_their_own() -> None:
    known = [*nav.named(), *nav.decisions()]
    assert len({output_of(page) for page in known}) == len(known)
    assert target_of("mailto:a@b.c", page="README.md") is None
