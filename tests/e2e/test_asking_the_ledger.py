"""A real server's record: asked by filters, counted, shown with its proof, and indexed anew."""

from tests.e2e.server import RunningServer


def test_the_record_is_asked_counted_shown_and_indexed_anew(tiny: RunningServer) -> None:
    with tiny.authority() as authority:
        starts = authority.get("/ledger/events", params={"kind": "boot", "total": True}).json()
        assert starts["total"] == len(starts["events"]) >= 1
        assert starts["range"]["last_seq"] == starts["size"]
        assert starts["checkpoint"].startswith("lmx-authority/")
        asked = {"action": "start", "role": "operator", "since": "2020-01-01"}
        same = authority.get("/ledger/events", params=asked).json()["events"]
        assert {event["kind"] for event in same} == {"genesis", "boot"}

        by_kind = authority.get("/ledger/counts", params={"by": "kind"}).json()
        assert sum(row["events"] for row in by_kind["counts"]) == by_kind["total"]
        assert {"kind": "genesis", "events": 1} in by_kind["counts"]

        shown = authority.get("/ledger/events/1").json()
        assert shown["intact"] is True
        assert shown["proof"]["seq"] == 1
        assert shown["verify"]

        made = authority.post("/ledger/reindex", json={}).json()
        assert made["changed"] == 0
        event = authority.get(f"/ledger/events/{made['event']}").json()
        assert event["kind"] == "ledger_reindexed"

        # The newest: the server is other tests' too, and a page has an end.
        asked = {"kind": "ledger_read", "newest_first": True, "limit": 1000}
        reads = authority.get("/ledger/events", params=asked).json()["events"]
        assert {"events", "counts", "event"} <= {event["subject"] for event in reads}

        wrong = authority.get("/ledger/events", params={"kinds": "boot"})
        assert (wrong.status_code, wrong.json()["param"]) == (400, "kinds")
