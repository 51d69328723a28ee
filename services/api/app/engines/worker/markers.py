"""The texts by which a model's answer tells its parts apart: thinking, calls of tools."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from app.engines.worker.tool_parsers import FORMS, OWN_FORM, CallForm


@dataclass(frozen=True, slots=True)
class Markers:
    """Empty where the model has none. `form` is how the model writes calls.

    `think_end_tokens` are the tokens that end the thinking. `dropped` texts are neither content nor
    anything else. `shown` are the control tokens that must be visible for all this. Where the chat
    template does not render tools, the model is told of them in words (`conversation`).
    """

    think_start: str = ""
    think_end: str = ""
    think_end_tokens: tuple[int, ...] = ()
    form: CallForm = OWN_FORM
    renders_tools: bool = False
    dropped: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    @property
    def thinks(self) -> bool:
        return bool(self.think_start)

    @property
    def call_start(self) -> str:
        return self.form.start

    @property
    def call_end(self) -> str:
        return self.form.end

    def visible(self, *, calls: bool) -> tuple[str, ...]:
        """Of `shown`, what is needed where calls are looked for, or only thinking is."""
        own = (self.think_start, self.think_end, *self.dropped)
        return self.shown if calls else tuple(t for t in self.shown if any(t in o for o in own))

    def opens_thinking(self, rendered: str) -> bool:
        """Whether a prompt ends with the beginning of a thinking, which the template wrote."""
        return self.thinks and rendered.rstrip().endswith(self.think_start)


NO_MARKERS = Markers()

_THINKING = (
    ("<think>", "</think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|think:start|>", "<|think:end|>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
)
_XTML = ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")
_XTML_STRUCTURE = (
    "<|open|>response<|sep|>",
    "<|close|>response<|sep|>",
    "<|close|>message<|sep|>",
)

# The first row of which all texts are in the chat template names the parser: mlx-lm's own order.
_FORM_OF_TEMPLATE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("<minimax:tool_call>",), "minimax_m2"),
    (("<|tool_call>", "<tool_call|>"), "gemma4"),
    (("<start_function_call>",), "function_gemma"),
    (("<longcat_tool_call>",), "longcat"),
    (("<arg_key>",), "glm47"),
    (("<|tool_list_start|>",), "pythonic"),
    (("<|tool_call_start|>",), "pythonic"),
    (("<tool_call>\\n<function=",), "qwen3_coder"),
    (("<tool_call>\n<function=",), "qwen3_coder"),
    (("<|tool_calls_section_begin|>",), "kimi_k2"),
    (('<function name="', '<param name="'), "minicpm5"),
    (("[TOOL_CALLS]",), "mistral"),
    (("<atem:function_calls>",), "muse_spark"),
    (("<tool_call>", "tool_call.name"), "json_tools"),
)
_FORM_OF_VOCABULARY = (
    (_XTML, "kimi_k3"),
    (("<|tool_call_start|>", "<|tool_call_end|>"), "pythonic"),
)


def markers_of(
    templates: Mapping[str, str],
    vocabulary: Collection[str],
    special: Collection[str],
    encode: Callable[[str], list[int]],
    *,
    parser: str | None = None,
) -> Markers:
    """What the tokenizer's tokens and chat templates give away; `parser` where the model says it.

    `special` are the control tokens that text leaves out.
    """
    source = "\n".join(templates.values())
    start, end = _thinking(vocabulary)
    form = _form(source, vocabulary, parser) if "tools" in source else None
    dropped = _XTML_STRUCTURE if _has(vocabulary, _XTML) else ()
    own = [start, end, *dropped]
    if form is not None:
        own += [form.start, form.end, *form.inner]
    return Markers(
        think_start=start,
        think_end=end,
        think_end_tokens=tuple(encode(end)) if end else (),
        form=form or OWN_FORM,
        renders_tools=form is not None,
        dropped=dropped,
        shown=tuple(token for token in special if any(token in text for text in own)),
    )


def control_tokens(
    added: Mapping[str, bool], templates: Mapping[str, str], own: Iterable[str] = ()
) -> tuple[str, ...]:
    """Of the tokens that are found in any text, those that no message may write.

    `added` says of each whether it is special. A token that only stands for words or spaces is not
    one of them; what is special, looks like it or is written by a chat template is.
    """
    source = "\n".join(templates.values())
    own = tuple(own)
    return tuple(
        text
        for text, special in added.items()
        if special
        or (text.startswith("<|") and text.endswith("|>"))
        or text in own
        or (text.strip("<[]>") != text and text in source)
    )


def _thinking(vocabulary: Collection[str]) -> tuple[str, str]:
    for pair in _THINKING:
        if _has(vocabulary, pair):
            return pair
    if _has(vocabulary, ("<|channel>", "<channel|>")):
        return "<|channel>thought", "<channel|>"
    if _has(vocabulary, _XTML):
        return "<|open|>think<|sep|>", "<|close|>think<|sep|>"
    return "", ""


def _form(source: str, vocabulary: Collection[str], parser: str | None) -> CallForm | None:
    if parser is not None and parser in FORMS:
        return FORMS[parser]
    for texts, name in _FORM_OF_TEMPLATE:
        if all(text in source for text in texts):
            return FORMS[name]
    for texts, name in _FORM_OF_VOCABULARY:
        if _has(vocabulary, texts):
            return FORMS[name]
    return None


def _has(vocabulary: Collection[str], tokens: Iterable[str]) -> bool:
    return all(token in vocabulary for token in tokens)
