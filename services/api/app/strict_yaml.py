"""Reads YAML documents of this project: plain names and values, and every complaint has its line.

What YAML allows beyond that is refused, so that a document means what a person sees in it: equal
names, anchors, tags, dates, numbers to the base of 8 or 60.
"""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

MAX_BYTES = 1 << 20
MAX_DEPTH: Final = 40

At = tuple[str | int, ...]
"""Where something stands: names of mappings and places in lists, from the outside in."""

_KINDS: Final = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool"))
_NULL: Final = "tag:yaml.org,2002:null"
_TEXT: Final = "tag:yaml.org,2002:str"
_SURPRISING: Final = re.compile(r"[-+]?0[0-9_]+|[-+0-9_.]+:[-+0-9_.:]+")
_PLAINER: Final = {
    "found character '\\t' that cannot start any token": "a tab stands here: use spaces",
    "mapping values are not allowed here": "a `:` too many, or indented differently from the lines "
    "above; a text with `: ` in it goes in quotes",
    "could not find expected ':'": "a name without `: ` and a value",
    "but found another document": "a second document begins here: keep one",
}
_ODD_BREAKS: Final = re.compile("[\x85\u2028\u2029]")
"""Ends of lines for YAML, and for no editor."""
_INDENTED: Final = "indented differently from the lines above, or a bracket is not closed"
_ANCHORS: Final = "anchors (&) and aliases (*) are not used here: write the value out"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in a line, counted from 1; 0: in the document as a whole."""

    line: int
    said: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.said}" if self.line else self.said


class UnreadableYaml(ValueError):
    """The document cannot be used; the message says where and why."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        before = "\n  " if len(problems) > 1 or problems[0].line else " "
        said = "".join(f"{before}{problem}" for problem in problems)
        super().__init__(f"{path} cannot be read:{said}")


@dataclass(slots=True)
class Document:
    """What a text says, in which line each of it stands, and what is wrong with it."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[At, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _Plain(yaml.SafeLoader):
    """The safe loader without anchors: a few lines of them can stand for more than memory holds."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:  # before it has cost time or the stack
            raise RecursionError
        node = super().compose_node(parent, index)
        self._depth -= 1
        if self.anchors:
            mark = node.start_mark if node else None
            raise yaml.composer.ComposerError(None, None, _ANCHORS, mark)
        return node


def read_mapping(path: Path) -> dict[str, Any]:
    """The document at `path`, {} for an empty one; raises UnreadableYaml with all it found."""
    document = read_document(path)
    if document.problems:
        raise UnreadableYaml(path, tuple(sorted(document.problems)))
    return document.values


def read_document(path: Path) -> Document:
    """The document at `path`, with what is wrong inside; raises UnreadableYaml where none is."""
    try:
        kept = path.stat()
        if stat.S_ISDIR(kept.st_mode):
            raise UnreadableYaml(path, (Problem(0, "it is a directory, not a file."),))
        if not stat.S_ISREG(kept.st_mode):
            raise UnreadableYaml(path, (Problem(0, "it is not a plain file."),))
        if kept.st_size > MAX_BYTES:
            raise UnreadableYaml(path, (Problem(0, f"it is larger than {MAX_BYTES} bytes."),))
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableYaml(path, (Problem(0, f"{error.strerror or error}."),)) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UnreadableYaml(path, (Problem(line, "not UTF-8: save it as UTF-8"),)) from None
    return parse_document(text)


def parse_document(text: str) -> Document:
    """What `text` says. Where it cannot be read to its end, `problems` has one and nothing else."""
    found = _root(text)
    if isinstance(found, Problem):
        return Document(problems=[found])
    loader, root = found
    if root is None or root.tag == _NULL:
        return Document()
    if not isinstance(root, yaml.MappingNode):
        return Document(problems=[Problem(1, "a mapping is wanted: names, each with its value")])
    read = _Reading(loader)
    values = read.value(root, ())
    return Document(values, read.lines, read.problems)


def _root(text: str) -> tuple[_Plain, yaml.Node | None] | Problem:
    odd = _ODD_BREAKS.search(text)
    if odd is not None:
        return _stray(text, odd.start(), odd.group())
    try:
        loader = _Plain(text)
        return loader, loader.get_single_node()
    except yaml.reader.ReaderError as error:
        return _stray(text, error.position, chr(int(error.character)))
    except yaml.MarkedYAMLError as error:
        return _marked(error)
    except RecursionError:
        return Problem(0, "it is nested too deeply.")


def _stray(text: str, at: int, found: str) -> Problem:
    line = text.count("\n", 0, at) + 1
    return Problem(line, f"the character U+{ord(found):04X} may not stand here")


def _marked(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = error.problem or error.context or "not YAML"
    if said.startswith(("expected <block end>", "expected ',' or", "expected the node content")):
        said = _INDENTED
    return Problem(mark.line + 1 if mark else 0, _PLAINER.get(said, said))


class _Reading:
    """One walk over a document's nodes, which takes note of lines and of what is wrong."""

    def __init__(self, loader: _Plain) -> None:
        self._loader = loader
        self.lines: dict[At, int] = {}
        self.problems: list[Problem] = []

    def value(self, node: yaml.Node, at: At) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
            return [self._item(item, (*at, place)) for place, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        return self._wrong(node, "a tag (!) is not used here: write the value alone")

    def _item(self, node: yaml.Node, at: At) -> Any:
        self.lines[at] = node.start_mark.line + 1
        return self.value(node, at)

    def _mapping(self, node: yaml.MappingNode, at: At) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._wrong(key, "a name is text: here stands a list or a mapping")
            elif key.tag != _TEXT:
                self._wrong(key, f'`{key.value}` is not taken for text: write "{key.value}"')
            elif key.value in found:
                first = self.lines[*at, key.value]
                self._wrong(key, f"`{key.value}` is set twice, first in line {first}: keep one")
            else:
                self.lines[*at, key.value] = key.start_mark.line + 1
                found[key.value] = self.value(value, (*at, key.value))
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _NULL:
            return None
        number = node.tag != _TEXT
        if node.tag not in _KINDS or (number and _SURPRISING.fullmatch(node.value)):
            return self._wrong(node, "write it in quotes, or as a plain number")
        try:
            return self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            return self._wrong(node, "this cannot be read")

    def _wrong(self, node: yaml.Node, said: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, said))


def nearest_line(lines: Mapping[At, int], at: At) -> int:
    """The line of `at`, or of what it stands in; 0 where the document does not name it."""
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 0)
