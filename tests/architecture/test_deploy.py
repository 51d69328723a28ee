"""Alerts and the dashboard name only series, labels and values that the server shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.routers.measuring.series import SERIES, Type
from app.routers.metrics import Metrics
from tests.promql import Expression, read

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "services/deploy"
EVERY_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus itself gives to whatever it scrapes."""
SUFFIXES = {Type.HISTOGRAM: ("_bucket", "_count", "_sum")}


def alerts() -> list[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    board = json.loads((DEPLOY / "grafana/dashboard.json").read_text("utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def page_of(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text("utf-8")


def shown() -> dict[str, frozenset[str]]:
    """Names as Prometheus sees them, and their labels."""
    found = {"up": frozenset[str]()}  # Prometheus' own: whether the target answered
    for series in SERIES:
        for suffix in SUFFIXES.get(series.type, ("",)):
            le = {"le"} if suffix == "_bucket" else set()
            found[series.name + suffix] = frozenset({*series.labels, *le})
    return found


@pytest.mark.parametrize(("where", "text"), list(expressions()))
def test_an_expression_names_what_is_exported(where: str, text: str) -> None:
    names, expression = shown(), read(text)
    assert expression.selected, where
    for one in expression.selected:
        assert one.series in names, f"{where}: {one.series} is never exported"
        for label, _, _ in one.labels:
            assert label in names[one.series] | EVERY_TARGET, f"{where}: {one.series}{{{label}}}"
    labels = frozenset[str]().union(*(names[one.series] for one in expression.selected))
    assert expression.grouped <= labels | EVERY_TARGET, where


def test_a_value_that_is_asked_for_is_one_that_comes() -> None:
    """Of labels whose values are all there from the start."""
    text = Metrics().render().decode()
    for where, promql in expressions():
        for one in read(promql).selected:
            for label, sign, value in one.labels:
                if label in ("code", "reason", "outcome", "surface") and "~" not in sign:
                    assert f'{label}="{value}"' in text, f"{where}: {label}={value}"
                elif label == "code":
                    assert all(f'code="{part}"' in text for part in value.split("|")), where


def test_an_alert_says_how_grave_it_is_and_where_to_read_on() -> None:
    anchors = {heading.lower() for heading in re.findall(r"(?m)^## (\S+)$", page_of("alerts"))}
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"].endswith(".")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/alerts.md"
        assert anchor in anchors
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "0s"))
    assert anchors == {name.lower() for name in names}


def test_the_page_of_alerts_shows_them_as_they_are() -> None:
    page = page_of("alerts")
    for rule in alerts():
        part = page.split(f"## {rule['alert']}\n")[1].split("\n## ")[0]
        assert f"```promql\n{rule['expr']}\n```" in part
        assert part.lstrip().startswith(f"*{rule['labels']['severity']}*.")


def test_a_command_in_the_page_of_alerts_is_one_that_there_is() -> None:
    page = " ".join(page_of("alerts").split())
    known = set(re.findall(r"(?m)^#+ `?(lmx [a-z -]+)", page_of("cli")))
    for command in re.findall(r"`(lmx(?: [a-z]+)+)", page):
        assert any(f"{name.strip()} ".startswith(f"{command} ") for name in known), command


def test_the_dashboard_has_a_description_and_a_place_for_each_panel() -> None:
    places = set()
    for panel in panels():
        assert panel["description"].endswith(".")
        assert panel["targets"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        places.add((place["x"], place["y"]))
    assert len(places) == len(panels())


def test_the_scrape_looks_where_the_server_listens() -> None:
    document = yaml.safe_load((DEPLOY / "prometheus/prometheus.yaml").read_text("utf-8"))
    (job,) = document["scrape_configs"]
    assert job["job_name"] == "lmx"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:1234"]}]
    assert all((DEPLOY / "prometheus" / file).exists() for file in document["rule_files"])


@pytest.mark.parametrize(
    "bad", ["rate(lmx_x[5m]", "lmx_x{a}", 'lmx_x{a="b}', "percentile(lmx_x)", "lmx_x @ @", "sum"]
)
def test_what_is_not_promql_is_seen(bad: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        read(bad)


def test_the_reader_of_promql_tells_series_from_the_rest() -> None:
    assert read(
        'sum by (le) (rate(a_b{c=~"d"}[5m])) / ignoring (x) on_it > 2 and up'
    ) == Expression(
        selected=(*read('a_b{c=~"d"}').selected, *read("on_it").selected, *read("up").selected),
        grouped=frozenset({"le", "x"}),
    )
