"""Template, schema and page are made from the settings' fields, and a reload from one table."""

import json
from pathlib import Path

import pytest

from app.configuration.reading import checked
from app.configuration.reloading import RELOADED, canonical, change, digest, flat
from app.configuration.schema import DRAFT, schema
from app.configuration.table import RELOAD, RESTART, parts
from app.settings import TEMPLATES, HubSettings, LimitSettings, Settings
from app.strict_yaml import parse_document

ROWS = {row.name: row for part in parts() for row in part.rows}


def test_the_template_is_a_file_that_the_server_takes() -> None:
    text = (TEMPLATES / "config.yaml").read_text("utf-8")
    assert checked(parse_document(text), Path("config.yaml"), {}).settings == Settings()


def test_every_setting_has_a_row_with_its_default_and_a_meaning() -> None:
    assert {name: row.default for name, row in ROWS.items()} == flat(Settings())
    assert [name for name, row in ROWS.items() if not row.meaning] == []


def test_every_setting_is_explained_in_the_template() -> None:
    text = (TEMPLATES / "config.yaml").read_text("utf-8")
    unexplained = [
        name for name in ROWS if "." in name and f"#   {name.rsplit('.', 1)[-1]}: " not in text
    ]
    assert unexplained == []


def test_the_schema_refuses_what_nobody_knows() -> None:
    made = schema()
    assert made["$schema"] == DRAFT
    assert made["additionalProperties"] is False
    assert [n for n, part in made["$defs"].items() if part["additionalProperties"]] == []
    assert json.loads((TEMPLATES / "config.schema.json").read_text("utf-8")) == made


def test_what_a_reload_changes_is_a_setting_that_exists() -> None:
    assert set(Settings.model_fields) > RELOADED
    assert ROWS["limits.per_minute"].counts_after == RELOAD
    assert ROWS["log_level"].counts_after == RELOAD


@pytest.mark.parametrize(
    "name",
    [
        *("host", "port", "allowed_hosts", "inference_requires_key", "hub.hosts"),
        *("ledger.sinks", "ledger.usage_days", "responses.keep_for", "responses.keep_hours"),
        *(f"approvals.{name}" for name in type(Settings().approvals).model_fields),
    ],
)
def test_what_a_start_promised_holds_until_the_next(name: str) -> None:
    assert ROWS[name].counts_after == RESTART


def test_a_change_puts_some_in_force_and_names_what_waits() -> None:
    now = Settings()
    wanted = Settings(
        queue_limit=3,
        log_level="debug",
        limits=LimitSettings(per_minute=9),
        slots=2,
        hub=HubSettings(hosts=("a.example",)),
    )
    made = change(now, wanted)
    assert made.changed == ("queue_limit", "limits.per_minute", "log_level")
    assert made.waiting == ("slots", "hub.hosts")
    assert (made.after.queue_limit, made.after.limits.per_minute) == (3, 9)
    assert (made.after.slots, made.after.hub) == (now.slots, now.hub)
    assert change(made.after, wanted).changed == ()
    assert change(made.after, wanted).waiting == made.waiting


def test_the_same_settings_have_one_digest() -> None:
    assert digest(Settings()) == digest(Settings(port=1234))
    assert digest(Settings()) != digest(Settings(port=1))
    assert json.loads(canonical(Settings()))["port"] == 1234
