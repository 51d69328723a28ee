"""From the Markdown of one file to HTML, its headings and its links. Pure: reads no file."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_COMMENT = re.compile(r"\A\s*<!--.*?-->\s*", re.DOTALL)
_NOT_IN_AN_ANCHOR = re.compile(r"[^\w\- ]")
_HTML = HtmlFormatter(nowrap=True, classprefix="k-")


@dataclass(frozen=True, slots=True)
class Part:
    """What stands below one heading, for the search and the table of contents."""

    level: int
    title: str
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One page: its HTML, its parts and every address that it links to, as written."""

    title: str
    html: str
    parts: tuple[Part, ...]
    links: tuple[str, ...]

    @property
    def anchors(self) -> frozenset[str]:
        return frozenset(part.anchor for part in self.parts)


def anchor_of(title: str, taken: Sequence[str] = ()) -> str:
    """A heading's anchor, as GitHub makes it, so that a link holds here and there."""
    anchor = _NOT_IN_AN_ANCHOR.sub("", title.strip().lower()).replace(" ", "-")
    wanted, times = anchor, 0
    while wanted in taken:
        times += 1
        wanted = f"{anchor}-{times}"
    return wanted


def render(
    text: str, *, address: Callable[[str], str], name: Callable[[str], str] = str
) -> Document:
    """`address` says where a link of the Markdown leads on the site.

    A link that shows its own file's name shows what `name` makes of it.
    """
    parser = MarkdownIt("commonmark", {"html": False, "highlight": _coloured}).enable("table")
    tokens = parser.parse(_COMMENT.sub("", text))
    parts = tuple(_parts(tokens))
    headings = iter(parts)
    links: list[str] = []
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("id", next(headings).anchor)
        children = token.children or []
        for child, after in zip_longest(children, children[1:]):
            if child.type not in ("link_open", "image"):
                continue
            key = "href" if child.type == "link_open" else "src"
            written = str(child.attrGet(key) or "")
            links.append(written)
            child.attrSet(key, address(written))
            if after and after.type == "text" and written.partition("#")[0].endswith(after.content):
                after.content = name(written)
    html = parser.renderer.render(tokens, parser.options, {})
    # Wide tables and listings scroll by themselves; the page never does.
    html = html.replace("<table>", '<div class="wide"><table>')
    html = html.replace("</table>", "</table></div>")
    title = next((part.title for part in parts if part.level == 1), "")
    return Document(title, html, parts, tuple(links))


def _parts(tokens: Sequence[Token]) -> Iterator[Part]:
    taken: list[str] = []
    level, title, anchor = 0, "", ""
    words: list[str] = []
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            if level:
                yield Part(level, title, anchor, " ".join(words))
            level, words = int(token.tag[1]), []
            title = _plain(tokens[at + 1])
            anchor = anchor_of(title, taken)
            taken.append(anchor)
        elif token.type == "inline" and tokens[at - 1].type != "heading_open":
            words.append(_plain(token))
        elif token.type == "fence":
            words.append(token.content)
    if level:
        yield Part(level, title, anchor, " ".join(words))


def _plain(inline: Token) -> str:
    return "".join(
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in inline.children or ()
    )


def _coloured(code: str, language: str, _: str) -> str:
    """The code in colours; the empty text leaves it to be escaped as it is."""
    if not language or language in ("text", "mermaid"):
        return ""
    try:
        lexer = get_lexer_by_name("bash" if language == "sh" else language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, _HTML))
