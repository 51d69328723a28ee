"""Finds the YAML in a Markdown text: exactly one block fenced as ```yaml. Pure."""

import re

from app.authority.guardrails.document.problems import Problem, Spot, invalid

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`\s]*)[^`]*")


def fenced_yaml(text: str) -> str:
    """The block's text, after as many empty lines as there are before it: lines stay the same.

    Raises GuardrailsInvalid where there is no such block, or more than one, or it does not end.
    """
    lines = text.split("\n")
    starts: list[int] = []
    inside: list[str] = []
    fence = ""
    wanted = False
    for number, line in enumerate(lines, 1):
        match = _FENCE.fullmatch(line.removesuffix("\r"))
        if fence:
            if match and not match[2] and match[1].startswith(fence):
                fence, wanted = "", False
            elif wanted and len(starts) == 1:
                inside.append(line)
        elif match:
            fence = match[1]
            wanted = match[2].lower() in {"yaml", "yml"}
            if wanted:
                starts.append(number)
    if not starts:
        raise _refusal(
            1, "Put the guardrails into a block that begins with ```yaml: there is none."
        )
    if len(starts) > 1:
        raise _refusal(
            starts[1], f"Keep one block of ```yaml; the first one begins on line {starts[0]}."
        )
    if wanted:
        raise _refusal(starts[0], f"End the block with a line {fence}.")
    return "\n" * starts[0] + "\n".join(inside)


def _refusal(line: int, message: str) -> Exception:
    return invalid([Problem(Spot(line, 1), (), message)])
