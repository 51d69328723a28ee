"""Reads the guardrails that a new installation begins with: ids and intents."""

import re
from dataclasses import dataclass
from typing import Any, Final

from app.authority.guardrails.document.problems import Path, Problem, instead, invalid
from app.authority.guardrails.document.tree import Tree, read_tree

ID: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_WHAT: Final = "list of guardrails"


@dataclass(frozen=True, slots=True)
class Task:
    """One intent to compile and bind, and the id that its definitions get."""

    id: str
    intent: str


def read_tasks(text: str) -> tuple[Task, ...]:
    """The tasks of ``{version: 1, tasks: {id: {intent: text}}}``, by their ids.

    Raises GuardrailsInvalid with everything that is wrong, as `reading.read` does.
    """
    tree = read_tree(text.removeprefix("\ufeff"))
    check = _Check(tree)
    top = check.section((), tree.value, ("version", "tasks"))
    if top is not None and top.get("version") != 1:
        check.wrong(("version",), "Say version: 1.")
    named = check.mapping(("tasks",), top.get("tasks")) if top is not None else {}
    tasks = [task for name, said in named.items() if (task := check.task(name, said)) is not None]
    if tree.problems:
        raise invalid(tree.problems, _WHAT)
    return tuple(sorted(tasks, key=lambda task: task.id))


class _Check:
    """Adds what is wrong to the tree's problems."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def wrong(self, path: Path, message: str) -> None:
        if not self._tree.is_damaged(path):
            self._tree.problems.append(Problem(self._tree.spot(path), path, message))

    def mapping(self, path: Path, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.wrong(path, f"{path[-1] if path else 'The document'} must be a mapping of names.")
        return {}

    def section(self, path: Path, value: Any, known: tuple[str, ...]) -> dict[str, Any] | None:
        if not isinstance(value, dict):
            self.mapping(path, value)
            return None
        for name in value.keys() - set(known):
            left = sorted(set(known) - value.keys())
            self.wrong((*path, name), f"{name} is not known here: {instead(name, left)}")
        return value

    def task(self, name: str, said: Any) -> Task | None:
        path: Path = ("tasks", name)
        if not ID.fullmatch(name):
            self.wrong(path, f"Name {name!r} with a-z, 0-9 and -, and a letter first: 64 at most.")
        section = self.section(path, said, ("intent",))
        if section is None:
            return None
        intent = section.get("intent")
        if not isinstance(intent, str) or not intent.strip():
            self.wrong((*path, "intent"), f"Say the intent of {name} in one sentence.")
            return None
        return Task(name, intent)
