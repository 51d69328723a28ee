"""`lmx ledger report`: a real report over HTTP in all four forms, and what cannot hide in one."""

import asyncio
import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.auditing.reports.catalog import REPORTS
from app.cli import report_forms, text
from app.cli.report_forms import FORMULA, neutral
from app.domain.refusals import Forbidden
from tests.cli.runs import Run
from tests.fakes import events
from tests.fakes.authority_http import Asked, FakeAuthority
from tests.fakes.installation import Installed, installation

MODEL = "lab/a"
HOSTILE = '<script>alert(1)</script> \x1b[2J\u202e"quoted", \n=cmd|x'
FORMS = ("table", "csv", "json", "html")
NUMBERS = frozenset({"after", "limit", "through"})


@pytest.fixture
def installed(tmp_path: Path, authority: FakeAuthority) -> Iterator[Installed]:
    """A real ledger whose real reports the server answers with."""
    home = tmp_path / "server"
    home.mkdir(mode=0o700)
    with installation(home) as found:

        def answer(asked: Asked) -> Any:
            given = {n: int(v) if n in NUMBERS else v for n, v in asked.query.items()}
            name = asked.path.removeprefix("/authority/ledger/reports").strip("/")
            if not name:
                return {"reports": asyncio.run(found.reports.names(found.operator))}
            return asyncio.run(found.reports.report(found.operator, name, **given))

        authority.reports = answer
        yield found


def subject_of(installed: Installed, name: str) -> list[str]:
    return {"model": [MODEL], "person": [str(installed.operator.person)]}.get(name, [])


def rows_of(out: str) -> list[dict[str, str]]:
    lines = list(csv.reader(io.StringIO(out, newline="")))
    assert len({len(line) for line in lines}) == 1, "RFC 4180: every record has the same width"
    header, *rows = [line for line in lines if not line[0].startswith("#")]
    return [dict(zip(header, row, strict=True)) for row in rows]


class Page(HTMLParser):
    """What a browser makes of it: tags, attributes, text, the captions."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("form", FORMS)
def test_each_report_in_each_form_says_what_it_is_covers_and_holds_under(
    lmx: Run, installed: Installed, name: str, form: str
) -> None:
    installed.ledger.append(events.quarantined(MODEL))
    installed.revoke(installed.key_of("client"))
    installed.refusals.record(installed.operator, Forbidden("No."), MODEL)
    ended = lmx("ledger", "report", name, *subject_of(installed, name), "--format", form)
    assert (ended.code, ended.err) == (0, "")
    said = Page(ended.out).text if form == "html" else ended.out
    note = installed.ledger.checkpoint()
    assert note is not None
    for part in (REPORTS[name].title, installed.operator.id, note.text.split("\n")[2]):
        assert part in said
    assert all(command in said for command in ("lmx ledger verify", "lmx ledger export"))
    assert REPORTS[name].question in said


@pytest.mark.parametrize("name", REPORTS)
def test_csv_and_json_have_the_same_rows_from_as_many_pages_as_it_takes(
    lmx: Run, installed: Installed, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(report_forms, "AT_ONCE", 2)
    for _ in range(5):
        installed.ledger.append(events.quarantined(MODEL))
        installed.refusals.record(installed.operator, Forbidden("No."), MODEL)
        installed.revoke(installed.key_of("client"))
    command = ("ledger", "report", name, *subject_of(installed, name))
    lmx(*command, "--format", "json")  # this minute's look is on record from now on
    found = json.loads(lmx(*command, "--json").out)
    rows = rows_of(lmx(*command, "--format", "csv").out)
    assert len(rows) == found["count"] == len(found["rows"]) == found["meta"]["total"] >= 5
    forms = {column["name"]: column["form"] for column in found["columns"]}
    for row, value in zip(rows, found["rows"], strict=True):
        assert row == {n: neutral(report_forms.cell(v, forms[n])) for n, v in value.items()}


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_is_recorded_can_drive_a_terminal_a_browser_or_a_spreadsheet(
    lmx: Run, installed: Installed, form: str
) -> None:
    installed.ledger.append(events.saying(HOSTILE, actor=installed.operator, subject="=1+1"))
    installed.ledger.append(events.saying("x", actor=installed.operator, subject=HOSTILE))
    ended = lmx("ledger", "report", "person", installed.operator.id, "--format", form)
    assert ended.code == 0
    assert text.clean(ended.out, keep="\r\n") == ended.out
    if form == "json":
        assert json.loads(ended.out)["rows"][1]["subject"] == HOSTILE
        assert ended.out.isascii()
        return
    assert "\\x1b[2J\\u202e" in ended.out
    if form == "csv":
        rows = rows_of(ended.out)
        assert rows[0]["subject"] == "'=1+1"
        assert not any(value[:1] in FORMULA for row in rows for value in row.values() if value)
    if form == "html":
        page = Page(ended.out)
        assert "<script>alert(1)</script>" in page.text
        assert set(page.tags).isdisjoint({"script", "img", "link", "iframe", "object", "form"})


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_one_accessible_file_that_loads_nothing(
    lmx: Run, installed: Installed, name: str
) -> None:
    installed.ledger.append(events.quarantined(MODEL))
    html = lmx("ledger", "report", name, *subject_of(installed, name), "--format", "html").out
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("table") == page.tags.count("caption") >= 1
    scopes = [
        value for tag, attribute, value in page.attributes if (tag, attribute) == ("th", "scope")
    ]
    assert page.tags.count("th") == len(scopes)
    assert set(scopes) <= {"col", "row"}
    assert not any(n in {"src", "href", "srcset", "action"} for _, n, _ in page.attributes)
    assert not any(n.startswith("on") for _, n, _ in page.attributes if n)
    assert "url(" not in html
    assert "@import" not in html
    assert any(n == "content" and "default-src 'none'" in str(v) for _, n, v in page.attributes)
    assert "@page" in html


@pytest.mark.parametrize("form", ["table", "html"])
def test_a_table_or_page_that_has_not_all_rows_says_so(
    lmx: Run, installed: Installed, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr(report_forms, "AT_MOST", 3)
    for _ in range(7):
        installed.ledger.append(events.quarantined(MODEL))
    ended = lmx("ledger", "report", "model", MODEL, "--format", form)
    said = Page(ended.out).text if form == "html" else ended.out
    assert "the first 3 of 7; use --format csv for all" in said
    assert said.count("model_quarantined") == 3


def test_findings_on_any_page_reach_every_form(
    lmx: Run, installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes.database import foreign_connection

    monkeypatch.setattr(report_forms, "AT_ONCE", 1)
    for _ in range(3):
        installed.ledger.append(events.quarantined(MODEL))
    installed.ledger.settle()
    raw = foreign_connection(installed.path)
    raw.execute("DROP TRIGGER ledger_event_no_update")
    raw.execute(
        "UPDATE ledger_event SET body = CAST(replace(body, 'killed', 'healed') AS BLOB) "
        "WHERE seq = 4"
    )
    for form in FORMS:
        ended = lmx("ledger", "report", "model", MODEL, "--format", form)
        assert "Event 4 is damaged" in ended.out


def test_the_reports_are_listed_with_what_they_ask(lmx: Run, installed: Installed) -> None:
    out = lmx("ledger", "report").out
    assert all(f"{name} " in out and one.question in out for name, one in REPORTS.items())
    listed = json.loads(lmx("ledger", "report", "--json").out)["reports"]
    assert [one["name"] for one in listed] == list(REPORTS)


def test_times_and_subject_reach_the_server(
    lmx: Run, installed: Installed, authority: FakeAuthority
) -> None:
    lmx("ledger", "report", "model", "a/b", "--since", "2026-01-01", "--until", "2026-02-01")
    asked = authority.last("/authority/ledger/reports/model").query
    assert asked == {
        "subject": "a/b",
        "since": "2026-01-01",
        "until": "2026-02-01",
        "limit": "1000",
    }


def test_bare_csv_is_the_columns_and_the_rows_alone(lmx: Run, installed: Installed) -> None:
    out = lmx("ledger", "report", "duties", "--format", "csv", "--bare").out
    first, second, *_ = out.split("\r\n")
    assert first == "id,rule,verdict,why"
    assert second.startswith("approver-is-another,")


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_written_for_its_owner_alone_and_never_over_another(
    lmx: Run, installed: Installed, tmp_path: Path, form: str
) -> None:
    out = tmp_path / "report"
    command = ("ledger", "report", "duties", "--format", form, "--out", str(out))
    ended = lmx(*command)
    assert (ended.code, ended.out) == (0, "")
    assert out.stat().st_mode & 0o777 == 0o600
    before = out.read_bytes()
    assert b"NOT MET" in before
    again = lmx(*command)
    assert again.code == 3
    assert "is there already" in again.err
    assert out.read_bytes() == before


def test_a_link_in_the_files_place_is_not_followed(
    lmx: Run, installed: Installed, tmp_path: Path, authority: FakeAuthority
) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    assert lmx("ledger", "report", "duties", "--out", str(link)).code == 3
    assert not target.exists()
    assert authority.asked == []  # nothing was read, and nothing recorded as read


def test_a_report_that_breaks_off_leaves_no_file(
    lmx: Run,
    installed: Installed,
    tmp_path: Path,
    authority: FakeAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_forms, "AT_ONCE", 2)
    for _ in range(5):
        installed.ledger.append(events.quarantined(MODEL))
    whole = authority.reports
    assert whole is not None

    def broken(asked: Asked) -> Any:
        return {"rows": "none"} if "after" in asked.query else whole(asked)

    authority.reports = broken
    out = tmp_path / "report.csv"
    ended = lmx("ledger", "report", "model", MODEL, "--format", "csv", "--out", str(out))
    assert ended.code == 1
    assert not os.path.lexists(out)


def test_pages_that_go_in_circles_end(
    lmx: Run, installed: Installed, authority: FakeAuthority
) -> None:
    page = {"meta": {"size": 9}, "columns": [], "rows": [], "next": 3}
    authority.reports = lambda _: page
    ended = lmx("ledger", "report", "refusals", "--format", "csv")
    assert ended.code == 1
    assert "do not go on" in ended.err


@pytest.mark.parametrize("name", ["../events", "Model", "", "a b"])
def test_a_name_that_is_none_asks_nothing(lmx: Run, authority: FakeAuthority, name: str) -> None:
    assert lmx("ledger", "report", name).code == 2
    assert authority.asked == []


def test_a_table_fits_a_small_terminal(installed: Installed, terminal: Callable[..., Any]) -> None:
    installed.ledger.append(events.quarantined(MODEL))
    shown = terminal("ledger", "report", "model", MODEL)
    assert shown.ended() == 0
    assert max(map(len, shown.screen.splitlines())) <= 80


@given(st.text())
def test_no_cell_begins_as_a_formula_does_and_none_is_changed_otherwise(value: str) -> None:
    shown = text.visible(value)
    made = neutral(shown)
    assert made in {shown, f"'{shown}"}
    assert not made or made.lstrip(" ")[:1] not in FORMULA
    assert text.clean(made, keep="") == made


def test_what_hides_is_shown_as_an_escape() -> None:
    shown = text.visible("a\nb\tc\x1b\u202e\u3164\U000e0041é")
    assert shown == "a\\nb\\tc\\x1b\\u202e\\u3164\\U000e0041é"
