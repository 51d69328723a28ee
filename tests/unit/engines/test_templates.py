"""Chat templates are code from a model: whatever they do costs their own prompt and a second."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.engines.worker.templates import ChatTemplates, TemplateFailed
from tests.models import CHAT_TEMPLATE


def said(content: str) -> dict[str, Any]:
    message = {"role": "user", "content": content}
    return {"messages": [message], "tools": None, "add_generation_prompt": True}


HELLO = said("hello")


class Templates:
    """Makes templates and closes them."""

    def __init__(self) -> None:
        self.made: list[ChatTemplates] = []

    def __call__(self, source: str, time_limit_s: float = 30.0) -> ChatTemplates:
        template = ChatTemplates(
            {"default": source}, constants={"bos_token": "<s>"}, time_limit_s=time_limit_s
        )
        self.made.append(template)
        return template


@pytest.fixture
def template() -> Iterator[Templates]:
    templates = Templates()
    yield templates
    for one in templates.made:
        one.close()


def test_messages_are_rendered(template: Templates) -> None:
    text = template(CHAT_TEMPLATE).render(HELLO)
    assert text == "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ bos_token }}{{ messages[0].content | tojson }}", '<s>"hello"'),
        ("{% for x in [1,2,3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "1"),
        ("{% generation %}a{% endgeneration %}", "a"),
        ("{{ strftime_now('%Y') | length }}", "4"),
        ("{% if tools %}tools{% endif %}{% if nothing is defined %}x{% endif %}!", "!"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = 2 %}{{ ns.n }}", "2"),
    ],
)
def test_the_dialect_of_chat_templates_is_spoken(
    template: Templates, source: str, text: str
) -> None:
    assert template(source).render(HELLO) == text


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__.items() }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages | map(attribute='__class__') | list | first | string | length + 'x' }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ no_such_function() }}",
        "{{ raise_exception('roles must alternate') }}",
        "{% for m in messages %}",
        "{{ 1 / 0 }}",
    ],
)
def test_reaching_out_or_failing_is_a_reason_and_the_next_prompt_is_rendered(
    template: Templates, source: str
) -> None:
    rendered = template(source)
    for _ in range(2):
        with pytest.raises(TemplateFailed) as failed:
            rendered.render(HELLO)
        assert "Traceback" not in str(failed.value)
        assert "broke the process" not in str(failed.value)


@pytest.mark.parametrize(
    "source",
    ["{{ '{0.__class__}'.format(messages) }}", "{{ messages.__class__ }}", "{{ tools.__doc__ }}"],
)
def test_attributes_of_python_are_nothing_to_a_template(template: Templates, source: str) -> None:
    assert template(source).render(HELLO) == ""


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set n = namespace(s=1) %}{% for _ in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{{ 'a' * 10 ** 12 }}",
        "{{ 'a' | center(10 ** 9) }}",
    ],
    ids=["loop", "number", "doubling", "repetition", "padding"],
)
def test_time_and_memory_are_limited(template: Templates, source: str) -> None:
    with pytest.raises(TemplateFailed):
        template(source, time_limit_s=1.0).render(HELLO)


def test_after_a_kill_the_next_prompt_is_rendered(template: Templates) -> None:
    source = (
        "{% if messages[0].content == 'loop' %}"
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
        "{% endif %}fine"
    )
    rendered = template(source, time_limit_s=2.0)
    with pytest.raises(TemplateFailed, match="longer than 2 s"):
        rendered.render(said("loop"))
    rendered._time_limit_s = 30.0
    assert rendered.render(HELLO) == "fine"


def test_a_renderer_that_the_machine_holds_up_is_waited_for_but_not_for_ever(
    template: Templates,
) -> None:
    rendered = template("fine", time_limit_s=1.0)
    assert rendered.render(HELLO) == "fine"
    child = rendered._child
    child.send_signal(signal.SIGSTOP)
    on = threading.Timer(2.0, child.send_signal, [signal.SIGCONT])
    on.start()
    assert rendered.render(HELLO) == "fine"
    on.join()
    child.send_signal(signal.SIGSTOP)
    rendered._time_limit_s = 0.1
    with pytest.raises(TemplateFailed, match="longer than 0.1 s"):
        rendered.render(HELLO)


def test_long_messages_pass_both_ways(template: Templates) -> None:
    content = "x é" * 200_000
    rendered = template("{{ messages[0].content }}", time_limit_s=30.0)
    assert rendered.render(said(content)) == content
