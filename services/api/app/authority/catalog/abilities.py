"""What a chat template says that its model can do, read without rendering it."""

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from app.authority.catalog.gguf_files import ENDING
from app.authority.catalog.inspection import read_gguf
from app.domain.refusals import IntakeRefused

MAX_TEMPLATE_BYTES: Final = 32 << 20
"""Of a file that holds a template; some hold a tokenizer's settings too."""

# The engine's tokenizer library takes the template of the first of these that has one.
_OWN_FILE: Final = "chat_template.jinja"
_IN_JSON: Final = ("chat_template.json", "tokenizer_config.json")
GGUF_TEMPLATE: Final = "tokenizer.chat_template"
_ENDS: Final = re.compile(r"[%}]\}")
_BEGINS: Final = re.compile(r"\{[%{]")
_TOOLS: Final = re.compile(r"\btools\b")
_REASONING: Final = ("</think>", "enable_thinking", "reasoning_content", "<|channel|>analysis")


def capabilities(template: str) -> dict[str, bool]:
    """For clients that choose what to offer; no model here sees pictures."""
    return {
        "tools": _takes_tools(template),
        "reasoning": any(mark in template for mark in _REASONING),
        "vision": False,
    }


def reasoning_options(template: str) -> list[str]:
    """What a client may ask of the model's reasoning: a switch, an effort, or nothing at all.

    A template that knows neither leaves a model that reasons to itself: ``on`` is all there is.
    """
    if not capabilities(template)["reasoning"]:
        return []
    switch = ["off", "on"] if "enable_thinking" in template else []
    efforts = ["low", "medium", "high"] if "reasoning_effort" in template else []
    return switch + efforts or ["on"]


def _takes_tools(template: str) -> bool:
    """A template that takes tools names them in an expression; text about tools is no such name.

    Linear: each character is looked at twice, whatever the text is.
    """
    for piece in _ENDS.split(template):
        begins = _BEGINS.search(piece)
        if begins and _TOOLS.search(piece, begins.end()):
            return True
    return False


def chat_template(directory: Path) -> str:
    """All templates of a model's directory as one text; empty where it has none.

    What cannot be read has none: this is for people, and decides nothing.
    """
    weights = sorted(directory.glob(f"*{ENDING}"))
    if weights:
        return _in_gguf(weights[0])
    own = _read(directory / _OWN_FILE)
    if own:
        return own
    found = (_templates(_read(directory / name)) for name in _IN_JSON)
    return next((text for text in found if text), "")


def _in_gguf(path: Path) -> str:
    """The engine of these files takes the template that the first of them brings."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        said = read_gguf(descriptor, path=path.name).metadata
    except (IntakeRefused, OSError):
        return ""
    finally:
        os.close(descriptor)
    found = (text for key, text in said.items() if key.startswith(GGUF_TEMPLATE))
    return "\n".join(text for text in found if isinstance(text, str))


def _templates(text: str) -> str:
    try:
        fields = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return ""
    said = fields.get("chat_template") if isinstance(fields, dict) else None
    return "\n".join(_texts(said))


def _texts(said: Any) -> Iterable[str]:
    """One template, or several with names."""
    if isinstance(said, str):
        return (said,)
    several = said if isinstance(said, list) else ()
    named = (one.get("template") for one in several if isinstance(one, dict))
    return (text for text in named if isinstance(text, str))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEMPLATE_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
