"""The texts by which a model's answer tells its parts apart: thinking, calls of tools."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Markers:
    """Empty where the model has none. `parser` names a tool parser of mlx-lm.

    `think_end_tokens` are the tokens that end the thinking.
    """

    think_start: str = ""
    think_end: str = ""
    think_end_tokens: tuple[int, ...] = ()
    call_start: str = ""
    call_end: str = ""
    parser: str | None = None

    def opens_thinking(self, rendered: str) -> bool:
        """Whether a prompt ends inside a thinking that the template began."""
        start, end = self.think_start, self.think_end
        return bool(start) and rendered.rfind(start) > rendered.rfind(end)


NO_MARKERS = Markers()
