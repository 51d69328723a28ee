"""The saved reports over HTTP: what is asked reaches the use case, and its answer the caller."""

from pathlib import Path

import httpx

from tests.fakes.authority import AUDITOR_KEY
from tests.fakes.house import BASE, House
from tests.fakes.installation import installation

REPORTS = "/authority/ledger/reports"
WITH_KEY = {"authorization": f"Bearer {AUDITOR_KEY}"}


async def test_what_is_asked_reaches_the_report(client: httpx.AsyncClient) -> None:
    query = "subject=a/b&since=2026-01-01&until=2026-02-01&after=3&limit=5&through=9"
    answer = await client.get(f"{REPORTS}/model?{query}", headers=WITH_KEY)
    assert answer.json()["meta"] == {
        "report": "model",
        "subject": "a/b",
        "since": "2026-01-01",
        "until": "2026-02-01",
        "after": 3,
        "limit": 5,
        "through": 9,
    }


async def test_a_report_comes_whole_over_http_and_a_wrong_one_is_named(tmp_path: Path) -> None:
    with installation(tmp_path) as installed:
        transport = httpx.ASGITransport(app=House(reports=installed.reports).app())
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=WITH_KEY) as asks:
            listed = (await asks.get(REPORTS)).json()["reports"]
            assert len(listed) == 6
            duties = (await asks.get(f"{REPORTS}/duties")).json()
            assert "NOT MET" in duties["meta"]["verdict"]
            assert duties["meta"]["generated_by"] == "key:auditor"
            assert [set(row) for row in duties["rows"]] == [{"id", "rule", "verdict", "why"}] * 8
            for wrong, param in (("nothing", "name"), ("model", "subject"), ("access?x=1", "x")):
                refused = await asks.get(f"{REPORTS}/{wrong}")
                assert (refused.status_code, refused.json()["param"]) == (400, param)
