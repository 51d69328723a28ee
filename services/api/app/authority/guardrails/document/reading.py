"""Reads guardrails documents: YAML, or Markdown with one fenced block of it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Literal

from app.authority.guardrails.document.closure import faults
from app.authority.guardrails.document.context import Context
from app.authority.guardrails.document.markdown import fenced_yaml
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.normal_form import document_hash
from app.authority.guardrails.document.problems import Fault, Problem, Spot, invalid
from app.authority.guardrails.document.shape import shaped
from app.authority.guardrails.document.tree import Tree, read_tree
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.strategies.base import Strategy
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.domain.refusals import GuardrailsInvalid

Form = Literal["yaml", "markdown"]
FORMS: Final[tuple[Form, ...]] = ("yaml", "markdown")

_EMPTY: Final = (
    "The document is empty: begin with version: 1, or with a copy of config/guardrails.yaml."
)


def read_again(text: str, form: Form, known: str) -> Guardrails:
    """As `read`, of a text whose document had the hash `known` before.

    It is read in a third of the time, which counts only where it comes to that hash.
    """
    with suppress(GuardrailsInvalid):
        found = read(text, form, quick=True)
        if found.hash == known:
            return found
    return read(text, form)


def read(
    text: str,
    form: Form,
    *,
    strategies: Mapping[str, Strategy] = STRATEGIES,
    primitives: Mapping[str, Primitive] = PRIMITIVES,
    quick: bool = False,
) -> Guardrails:
    """The document that a text is.

    Raises GuardrailsInvalid, and nothing else, whose ``details["errors"]`` are everything that is
    wrong: ``{line, column, path, message}`` each, in the order of the text. `quick`: see
    `read_tree`.
    """
    text = text.removeprefix("\ufeff")
    tree = read_tree(fenced_yaml(text) if form == "markdown" else text, quick=quick)
    if tree.value is None or tree.value == {}:
        raise invalid([*tree.problems, Problem(Spot(1, 1), (), _EMPTY)])
    document, found = shaped(tree)
    if document is not None:
        checked = faults(Context(document, strategies, primitives))
        found += [fault for fault in checked if not tree.is_damaged(fault.path)]
    problems = tree.problems + [_problem(fault, tree) for fault in found]
    if problems or document is None:
        raise invalid(problems)
    return Guardrails(document=document, hash=document_hash(document))


def _problem(fault: Fault, tree: Tree) -> Problem:
    return Problem(tree.spot(fault.path), fault.path, fault.message)
