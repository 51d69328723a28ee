"""Settings come from one file, are strict, and cannot loosen a hard rule."""

from pathlib import Path

import pytest
import yaml

from app.configuration.reading import load_settings
from app.domain.refusals import StartRefused
from app.settings import TEMPLATES, Settings, home_directory


def write(home: Path, text: str) -> Path:
    (home / "config.yaml").write_text(text, "utf-8")
    return home


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()


def test_the_template_shows_every_setting_with_its_default() -> None:
    shown = yaml.safe_load((TEMPLATES / "config.yaml").read_text("utf-8"))
    defaults = Settings().model_dump(mode="json")
    assert {**shown, "host": "127.0.0.1"} == defaults


def test_the_command_line_decides_the_port(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "port: 4000"), port=4001).port == 4001


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_no_configuration_binds_beyond_loopback(tmp_path: Path, host: str) -> None:
    with pytest.raises(StartRefused, match="loopback only"):
        load_settings(write(tmp_path, f"host: '{host}'"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot: 1234", "prot"),
        ("preload: " + "[" * 10_000, "nested too deeply"),
        ("port: 99999", "port"),
        ("crash_limit: 50", "crash_limit"),
        ("approvals: {asks_for: [model_delete]}", "asks_for"),
        ("approvals: {asks_for: [model_load_jit]}", "asks_for"),
        ("approvals: {grace_hours: 0}", "grace_hours"),
        ("approvals: {ask_hours: 0}", "ask_hours"),
        ("approvals: {ask_hours: 169}", "ask_hours"),
        ("approvals: {execute_hours: -1}", "execute_hours"),
        ("approvals: {pending_limit: 0}", "pending_limit"),
        ("approvals: {asks_per_minute: 61}", "asks_per_minute"),
        ("approvals: {allow: [model_delete]}", "allow"),
        ("version: 2", "version"),
        ("slots: many", "slots"),
        ("- port", "mapping"),
        ("port: [", "cannot be read"),
        ("port: 1\nport: 2", "port"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_bad_file_stops_the_start_and_says_which_entry(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(StartRefused, match=says):
        load_settings(write(tmp_path, text))


def test_a_file_that_is_not_text_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartRefused, match="cannot be read"):
        load_settings(tmp_path)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "# nothing\n")) == Settings()


def test_the_state_directory_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMX_HOME", str(tmp_path))
    assert home_directory() == tmp_path
    monkeypatch.setenv("LMX_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_directory() == tmp_path / ".lmx"
