"""What a listing says of each model: facts of its files, and how it stands now."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.authority.catalog.abilities import capabilities, chat_template, reasoning_options
from app.authority.permissions import OPEN
from app.authority.policy.routing import Routing
from app.authority.reading import Installation, Reading
from app.domain.actors import ANONYMOUS
from tests.fakes.lifecycle import House, jit

INSTALLATION = Installation("0", "", "", "", 0.0, 256, 2)


def reading_of(house: House, aliases: dict[str, tuple[str, ...]] | None = None) -> Reading:
    return Reading(
        catalog=house.catalog,
        routing=Routing(aliases or {}),
        serving=house.serving,
        keys_store=cast("Any", None),
        probe=cast("Any", None),
        clock=house.clock,
        access=OPEN,
        installation=INSTALLATION,
        standing=dict,
    )


async def test_a_model_is_described_by_its_files_and_its_id(house: House) -> None:
    described = await reading_of(house).described_models(ANONYMOUS)
    first, model = described[0], house.models[0]
    assert [found["id"] for found in described] == [m.id for m in house.models]
    assert first == {
        "id": "test/model-0",
        "aliases": [],
        "publisher": "test",
        "display_name": "model-0",
        "created": model.created,
        "digest": model.digest,
        "size_bytes": model.size_bytes,
        "max_context": model.max_context,
        "architecture": "llama",
        "format": "mlx",
        "task": "generate",
        "quantization": first["quantization"],
        "parameters": first["parameters"],
        "capabilities": {"tools": False, "reasoning": False, "vision": False},
        "reasoning_options": [],
        "state": "absent",
        "loaded": False,
        "context": None,
        "slots": None,
    }


async def test_a_loaded_model_tells_its_context_and_slots(house: House) -> None:
    reading, model = reading_of(house), house.models[1]
    async with house.serving.lease(jit(model), model, sequences=1):
        found = (await reading.described_models(ANONYMOUS))[1]
    assert (found["state"], found["loaded"]) == ("ready", True)
    assert (found["context"], found["slots"]) == (256, 2)


async def test_an_alias_stands_with_the_model_that_it_leads_to_first(house: House) -> None:
    ids = [model.id for model in house.models]
    reading = reading_of(house, {"small": (ids[2], ids[0]), "gone": ("no/where", ids[0])})
    described = await reading.described_models(ANONYMOUS)
    assert {found["id"]: found["aliases"] for found in described} == {
        ids[0]: ["gone"],
        ids[1]: [],
        ids[2]: ["small"],
    }


async def test_a_second_listing_reads_no_file(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = reading_of(house)
    first = await reading.described_models(ANONYMOUS)
    monkeypatch.setattr("app.authority.reading.chat_template", _never)
    monkeypatch.setattr(type(house.catalog), "shape", _never)
    assert await reading.described_models(ANONYMOUS) == first


def _never(*_: object) -> str:
    raise AssertionError("read again")


TAKES_TOOLS = "{%- if tools %}{{ tools | tojson }}{% endif %}"


@pytest.mark.parametrize(
    ("template", "tools", "reasoning"),
    [
        (TAKES_TOOLS, True, False),
        ("{% for tool in tools -%}x{% endfor %}", True, False),
        ("You have no tools. {{ messages }}", False, False),
        ("{{ m }} tools {{ n }}", False, False),
        ("{% if enable_thinking %}{% endif %}", False, True),
        ("{{ '<think>' }}{{ x.split('</think>') }}", False, True),
        ("", False, False),
    ],
)
def test_capabilities_are_what_the_template_names(
    template: str, tools: bool, reasoning: bool
) -> None:
    assert capabilities(template) == {"tools": tools, "reasoning": reasoning, "vision": False}


@pytest.mark.parametrize(
    ("template", "options"),
    [
        ("{% if enable_thinking %}{% endif %}", ["off", "on"]),
        ("<|channel|>analysis {{ reasoning_effort }}", ["low", "medium", "high"]),
        ("{{ x.split('</think>') }}", ["on"]),
        ("{{ reasoning_effort }}", []),
        ("", []),
    ],
)
def test_what_may_be_asked_of_reasoning_is_what_the_template_takes(
    template: str, options: list[str]
) -> None:
    assert reasoning_options(template) == options


@pytest.mark.parametrize("hostile", ["{%" * 500_000, "{{" + "x" * 1_000_000, "%}" * 500_000])
def test_a_hostile_template_is_read_in_no_time(hostile: str) -> None:
    began = time.process_time()
    assert not capabilities(hostile)["tools"]
    assert time.process_time() - began < 5


def _in_settings(said: object) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / "tokenizer_config.json").write_text(json.dumps({"chat_template": said}))

    return write


def _own_file(directory: Path) -> None:
    _in_settings("the settings' own")(directory)
    (directory / "chat_template.jinja").write_text(TAKES_TOOLS)


@pytest.mark.parametrize(
    "write",
    [
        _in_settings(TAKES_TOOLS),
        _in_settings([{"name": "default", "template": "x"}, {"template": TAKES_TOOLS}]),
        _own_file,
    ],
)
def test_a_template_is_found_wherever_it_may_stand(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    assert capabilities(chat_template(tmp_path))["tools"]


@pytest.mark.parametrize("said", [None, 5, ["x"], [{"template": 5}]])
def test_what_is_no_template_is_none(tmp_path: Path, said: object) -> None:
    _in_settings(said)(tmp_path)
    assert chat_template(tmp_path) == ""
