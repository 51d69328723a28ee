"""A configuration that cannot be used says for each mistake where it is and what to write."""

import os
from pathlib import Path

import pytest

from app.configuration.reading import Unusable, checked, load_settings, loaded
from app.domain.refusals import StartRefused
from app.strict_yaml import parse_document

FILE = Path("config.yaml")
BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [*{before}, *{before}]\n"
    for before, name in zip("abcdefghij", "bcdefghijk", strict=True)
)


def problems(text: str) -> list[str]:
    with pytest.raises(Unusable) as refused:
        checked(parse_document(text), FILE, {})
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nqueue_limits: 3", ["line 2: `queue_limits` is unknown", "mean `queue_limit`?"]),
        ("grace_hours: 3", ["did you mean `approvals.grace_hours`?"]),
        ("limits: {concurent: 1}", ["`limits.concurent` is unknown; did you mean `concurrent`?"]),
        ("limits:\n  keys:\n    bot: {per_minut: 1}", ["line 3: `limits.keys.bot.per_minut`"]),
        ("hub: {xyz: 1}", ["take it out, or use one of endpoint, hosts, token_file"]),
        ("port: 1\nlimits:\n\tconcurrent: 1", ["line 3: cannot be read: a tab stands here"]),
        ("port: 1\nport: 2", ["line 2", "`port` is set twice, first in line 1: keep one"]),
        ("slots: [4]", ["line 1: `slots` is a whole number, and a list stands there"]),
        ("slots: yes", ["and true or false stands there: write for example `slots: 4`"]),
        ("slots: '4'", ["and a text stands there"]),
        ("slots: 010", ["line 1: cannot be read: write it in quotes, or as a plain number"]),
        ("preload: default", ["`preload` is a list", "write for example `preload: [default]`"]),
        ("inference_requires_key: 1", ["write `inference_requires_key: false`"]),
        ("limits:", ["`limits` is names with their values, and nothing stands there"]),
        ("crash_limit: 50", ["`crash_limit` must be 5 or less"]),
        ("request_timeout_s: 0", ["must be more than 0"]),
        ("idle_ttl_s: .inf", ["`idle_ttl_s` is a number with an end"]),
        ("log_level: waring", ["'error'; did you mean `warning`?"]),
        ("ledger: {sinks: [{required: true}]}", ["`ledger.sinks.entry 1.directory` is missing"]),
        ("hub: {endpoint: http://example.org}", ["line 1: `hub.endpoint`: use https://"]),
        ("port: [", ["line 1", "a bracket is not closed"]),
        ("port: 1\n slots: 2", ["line 2", "indented differently"]),
        ("1: 2", ['line 1: cannot be read: `1` is not taken for text: write "1"']),
        ("port: !!python/name:os.system x", ["line 1: cannot be read: write it in quotes"]),
        ("- port", ["a mapping is wanted"]),
        ("port: 1\n---\nport: 2", ["line 2", "a second document begins here"]),
        ("port: 1\n\x00", ["line 2", "U+0000"]),
        (BOMB, ["line 1", "anchors (&) and aliases (*) are not used here"]),
        ("preload: " + "[" * 50 + "]" * 50, ["nested too deeply"]),
        ("port: " + "9" * 5_000, ["line 1: cannot be read"]),
    ],
)
def test_a_mistake_is_said_with_its_line_and_what_to_write(text: str, says: list[str]) -> None:
    said = "\n".join(problems(text))
    assert [part for part in says if part not in said] == [], said


def test_all_mistakes_are_said_at_once_in_the_order_of_the_file() -> None:
    found = problems("slots: many\nport: 1\nport: 2\nprot: 3\nhub: {endpoint: x}\n")
    assert [said.split(":")[0] for said in found] == ["line 1", "line 3", "line 4", "line 5"]


@pytest.mark.parametrize(
    "text",
    [
        "hub: {token: hf_abcdefghijklmnop}",
        "allowed_hosts: [sk-abcdefghijklmnop]",
        "hf_abcdefghijklmnop: 1",
        "limits: {keys: {lmx_abc_abcdefghijklmnop: {}}}",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    said = "\n".join(problems(text))
    assert "looks like a secret" in said
    assert "token_file" in said
    assert "abcdefghijklmnop" not in said


def test_a_text_that_stands_in_a_wrong_place_is_not_repeated() -> None:
    assert "hunter2" not in "\n".join(problems("slots: hunter2\nport: hunter2\n"))


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "\ufeff# Windows\r\n"])
def test_a_file_without_settings_means_the_defaults(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    assert load_settings(tmp_path).port == 1234


def test_what_is_no_file_of_text_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.mkdir()
    with pytest.raises(Unusable, match="it is a directory, not a file"):
        loaded(path)
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(Unusable, match="it is not a plain file"):
        loaded(path)
    path.unlink()
    path.write_bytes(b"port: 1\n# caf\xe9\n")
    with pytest.raises(Unusable, match="line 2: cannot be read: not UTF-8"):
        loaded(path)
    path.write_bytes(b"#" * (1 << 21))
    with pytest.raises(Unusable, match="it is larger than 1048576 bytes"):
        loaded(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch(0o000)
    with pytest.raises(Unusable, match="Permission denied"):
        loaded(tmp_path / "config.yaml")


def test_a_start_says_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("prot: 1\nslots: many\n", "utf-8")
    with pytest.raises(StartRefused) as refused:
        load_settings(tmp_path)
    assert "line 1: `prot` is unknown; did you mean `port`?" in refused.value.message
    assert "line 2: `slots`" in refused.value.message
    assert "lmx config schema" in refused.value.message
