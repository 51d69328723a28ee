"""The file of guardrails that an installation begins with."""

import pytest

from app.authority.guardrails.document.tasks import Task, read_tasks
from app.domain.refusals import GuardrailsInvalid

TEXT = (
    "version: 1\ntasks:\n  b-two:\n    intent: Alert when latency rises\n  a:\n    intent: Block\n"
)


def errors_of(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(GuardrailsInvalid) as refused:
        read_tasks(text)
    return [(e["line"], e["path"], e["message"]) for e in refused.value.details["errors"]]


def test_tasks_are_read_in_the_order_of_their_ids() -> None:
    assert read_tasks(TEXT) == (Task("a", "Block"), Task("b-two", "Alert when latency rises"))


def test_everything_wrong_is_told_at_once() -> None:
    text = TEXT.replace("version: 1", "version: 2").replace("  a:", "  A b:")
    text = text.replace("intent: Alert when latency rises", "intend: x\n    intent: ''")
    assert errors_of(text) == [
        (1, "version", "Say version: 1."),
        (
            4,
            "tasks/b-two/intend",
            "intend is not known here: there are none to choose from; take it out.",
        ),
        (5, "tasks/b-two/intent", "Say the intent of b-two in one sentence."),
        (6, "tasks/A b", "Name 'A b' with a-z, 0-9 and -, and a letter first: 64 at most."),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The document must be a mapping of names."),
        ("version: 1\ntasks: []", "tasks must be a mapping of names."),
        ("version: 1\ntasks: {a: Block}", "a must be a mapping of names."),
        ("version: 1\ntasks: {a: {intent: 3}}", "Say the intent of a in one sentence."),
        ("version: 1\ntasks: {a: &x {intent: b}}", "Anchors are not taken: take &x out."),
    ],
)
def test_other_shapes_are_refused(text: str, message: str) -> None:
    assert [error[2] for error in errors_of(text)] == [message]
