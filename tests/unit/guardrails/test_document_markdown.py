"""Guardrails in Markdown: one fenced block of YAML, whose lines are those of the file."""

import pytest

from app.authority.guardrails.document.reading import read
from app.domain.refusals import GuardrailsInvalid
from tests.fakes.guardrails_text import TEXT, edited

PROSE = "# Guardrails\n\nWhat we do not want.\n\n```sh\nlmx guardrails check\n```\n\n"


def refusal_of(text: str) -> tuple[int, str]:
    with pytest.raises(GuardrailsInvalid) as refused:
        read(text, "markdown")
    (error,) = refused.value.details["errors"]
    return error["line"], error["message"]


@pytest.mark.parametrize(
    "fence", ["```yaml\n{}```\n", "~~~~ yaml title\n{}~~~~~\n", "```YAML\n{}```"]
)
def test_the_fenced_document_is_the_same_document(fence: str) -> None:
    assert read(PROSE + fence.format(TEXT) + "\nMore prose.\n", "markdown") == read(TEXT, "yaml")


def test_lines_are_those_of_the_file() -> None:
    broken = edited("name: small", "nane: small")
    line, _ = refusal_of(f"{PROSE}```yaml\n{broken}```\n")
    assert line == PROSE.count("\n") + 3


def test_no_fence_is_refused() -> None:
    message = "Put the guardrails into a block that begins with ```yaml: there is none."
    assert refusal_of(PROSE) == (1, message)
    assert refusal_of("") == (1, message)


def test_two_fences_are_refused_at_the_second() -> None:
    line, message = refusal_of(f"```yaml\n{TEXT}```\n\n```yaml\n{TEXT}```\n")
    assert line == TEXT.count("\n") + 4
    assert message == "Keep one block of ```yaml; the first one begins on line 1."


def test_a_fence_without_an_end_is_refused() -> None:
    assert refusal_of(f"```yaml\n{TEXT}") == (1, "End the block with a line ```.")


def test_an_empty_fence_is_an_empty_document() -> None:
    assert refusal_of("```yaml\n```\n")[1].startswith("The document is empty")


def test_yaml_inside_another_block_is_no_document() -> None:
    quoted = f"````text\n```yaml\n{TEXT}```\n````\n"
    assert refusal_of(quoted)[1].endswith("there is none.")
