"""mlx-lm's parsers of tool calls, found by file: nothing else of mlx-lm is imported, and no MLX."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import regex

Parse = Callable[[str, Any], Any]
"""The text between the markers and the tools offered, to one call or a list of them."""

PATTERN_LIMIT_S = 0.2

_PACKAGE = "lmx_tool_parsers"


@dataclass(frozen=True, slots=True)
class CallForm:
    """How a model writes calls: a parser's name, what stands around a block of calls, and inside.

    Without an `end` a block lasts until the answer ends. `whole` says that the parser refuses a
    block that was cut short, so that one may be read although its end is missing.
    """

    parser: str
    start: str
    end: str
    inner: tuple[str, ...] = ()
    whole: bool = False


_GLM = ("<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
_LONGCAT = tuple(text.replace("arg_", "longcat_arg_") for text in _GLM)

FORMS: Mapping[str, CallForm] = {
    form.parser: form
    for form in (
        CallForm("function_gemma", "<start_function_call>", "<end_function_call>", ("<escape>",)),
        CallForm("gemma4", "<|tool_call>", "<tool_call|>", ('<|"|>',)),
        CallForm("glm47", "<tool_call>", "</tool_call>", _GLM),
        CallForm("json_tools", "<tool_call>", "</tool_call>", whole=True),
        CallForm(
            "kimi_k2",
            "<|tool_calls_section_begin|>",
            "<|tool_calls_section_end|>",
            ("<|tool_call_begin|>", "<|tool_call_end|>", "<|tool_call_argument_begin|>"),
        ),
        CallForm("kimi_k3", "<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
        CallForm("laguna", "<tool_call>", "</tool_call>", _GLM),
        CallForm("longcat", "<longcat_tool_call>", "</longcat_tool_call>", _LONGCAT),
        CallForm("minicpm5", "<function name=", "</function>"),
        CallForm("minimax_m2", "<minimax:tool_call>", "</minimax:tool_call>"),
        CallForm("mistral", "[TOOL_CALLS]", "", ("[ARGS]", "[CALL_ID]"), whole=True),
        CallForm("muse_spark", "<atem:function_calls>", "</atem:function_calls>"),
        CallForm("pythonic", "<|tool_call_start|>", "<|tool_call_end|>"),
        CallForm("qwen3_coder", "<tool_call>", "</tool_call>"),
    )
}
"""Every parser that mlx-lm has, by name."""

OWN_FORM = FORMS["json_tools"]
"""What a model is told to write if its chat template does not render tools."""


@cache
def parser_of(name: str) -> Parse:
    """Raises `ImportError` where mlx-lm has no such parser."""
    _open_package()
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    for title, value in list(vars(module).items()):
        if isinstance(value, regex.Pattern):
            setattr(module, title, _Timed(value))
    parse: Parse = module.parse_tool_call
    return parse


class _Timed:
    """A parser's pattern that raises `TimeoutError`.

    Some take the third power of the text's length where a model repeats itself, and all sequences
    would wait.
    """

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern

    def search(self, *asked: Any) -> Any:
        return self._pattern.search(*asked, timeout=PATTERN_LIMIT_S)

    def match(self, *asked: Any) -> Any:
        return self._pattern.match(*asked, timeout=PATTERN_LIMIT_S)

    def findall(self, *asked: Any) -> Any:
        return self._pattern.findall(*asked, timeout=PATTERN_LIMIT_S)

    def finditer(self, *asked: Any) -> Any:
        return self._pattern.finditer(*asked, timeout=PATTERN_LIMIT_S)


def _open_package() -> None:
    """A package under another name: parsers import each other, and it is never mlx-lm's own."""
    if _PACKAGE in sys.modules:
        return
    found = importlib.util.find_spec("mlx_lm")
    if found is None or not found.submodule_search_locations:
        raise ImportError("mlx-lm is not installed.")
    spec = ModuleSpec(_PACKAGE, None, is_package=True)
    spec.submodule_search_locations = [
        str(Path(place) / "tool_parsers") for place in found.submodule_search_locations
    ]
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
