"""Finds the YAML in a Markdown text: exactly one block fenced as ```yaml. Pure."""

from app.authority.guardrails.document.problems import Problem, Spot, invalid


def fenced_yaml(text: str) -> str:
    """The block's text, after as many empty lines as there are before it: lines stay the same.

    Raises GuardrailsInvalid where there is no such block, or more than one, or it does not end.
    """
    starts: list[int] = []
    inside: list[str] = []
    fence = ""
    wanted = False
    for number, line in enumerate(text.split("\n"), 1):
        found = _fence(line)
        if fence:
            if found and not found[1] and found[0].startswith(fence):
                fence, wanted = "", False
            elif wanted and len(starts) == 1:
                inside.append(line)
        elif found:
            fence = found[0]
            wanted = found[1].lower() in {"yaml", "yml"}
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


def _fence(line: str) -> tuple[str, str] | None:
    """The marks of a line that begins or ends a block, and the first word after them."""
    marked = line.lstrip(" ")
    mark = marked[:1]
    if mark not in {"`", "~"} or len(line) - len(marked) > 3:
        return None
    rest = marked.lstrip(mark)
    count = len(marked) - len(rest)
    if count < 3 or (mark == "`" and "`" in rest):
        return None
    return mark * count, (rest.split(maxsplit=1) or [""])[0]


def _refusal(line: int, message: str) -> Exception:
    return invalid([Problem(Spot(line, 1), (), message)])
