"""The child process that renders a chat template: code from a model, so it may do little.

Jinja's immutable sandbox keeps it from attributes and from changing what it is given; a process of
its own, without MLX, keys or open sockets, makes every limit enforceable: the worker kills it when
time is up, and memory and file sizes are capped by the kernel (memory: Linux only).

Spoken on stdin and stdout, one JSON object a line. It opens with `{}`, reads the templates by name
and their constants, then a template's name and its variables, and answers each of those with
`{"text": ...}` or `{"error": ...}`.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.engines.worker.parentage import die_with_parent

Answer = dict[str, str]

MAX_TEXT_CHARACTERS = 16 * 2**20
MAX_ADDRESS_SPACE_BYTES = 2**30


class GenerationBlock(Extension):
    """`{% generation %}` marks the assistant's part for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it as an instance attribute

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> ImmutableSandboxedEnvironment:
    """The dialect that chat templates are written in."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        extensions=[loopcontrols, GenerationBlock],
    )
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = time.strftime
    return made


def main() -> None:
    die_with_parent(int(sys.argv[1]))
    _limit()
    print("{}", flush=True)  # noqa: T201 - ready: from here on the time counts
    opening = json.loads(sys.stdin.readline())
    constants = opening["constants"]
    render = {name: _renderer(text, constants) for name, text in opening["templates"].items()}
    for line in sys.stdin:
        asked = json.loads(line)
        answer = render[asked["template"]](asked["variables"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _renderer(source: str, constants: Mapping[str, str]) -> Callable[[dict[str, Any]], Answer]:
    """Whatever the template does, it fails its own prompt and nothing else."""
    try:
        template = environment().from_string(source)
    except Exception as error:  # noqa: BLE001 - see above
        reason = _reason(error)
        return lambda _: {"error": reason}

    def render(asked: dict[str, Any]) -> Answer:
        try:
            text = template.render({**asked, **constants})
        except Exception as error:  # noqa: BLE001 - see above
            return {"error": _reason(error)}
        if len(text) > MAX_TEXT_CHARACTERS:
            return {"error": "its text is too long"}
        return {"text": text}

    return render


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE_BYTES, MAX_ADDRESS_SPACE_BYTES))


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    return (str(error) or type(error).__name__)[:500]


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


if __name__ == "__main__":
    main()
