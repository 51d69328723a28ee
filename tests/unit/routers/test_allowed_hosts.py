"""`allowed_hosts` lets named hosts in and nobody else, whatever a client claims beside `Host`."""

import pytest
from pydantic import ValidationError

from app.domain.refusals import HostNotAllowed, OriginNotAllowed
from app.routers.hosts import accepted_host, check_origin
from app.settings import Settings

OURS = ("lmx.example.org", "other.example.org:8443")


@pytest.mark.parametrize(
    "host",
    ["lmx.example.org", "LMX.Example.Org", "lmx.example.org:443", "other.example.org:8443"],
)
def test_a_named_host_is_served(host: str) -> None:
    assert accepted_host([host], allowed_hosts=OURS) == host.lower()


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "lmx.example.org.evil.example", "xlmx.example.org", "example.org",
        "sub.lmx.example.org", "lmx.example.org.", "lmx.example.org@evil.example",
        "lmx.example.org:443:443", "lmx.example.org, evil.example", "lmx.example.org\tevil",
        "other.example.org", "other.example.org:443", "*", "127.0.0.1.nip.io", "0x7f000001",
        "2130706433", "127.1", "[::ffff:127.0.0.1]", "lmх.example.org",
    ],
)  # fmt: skip
def test_a_page_that_rebinds_its_own_name_is_refused_with_names_allowed(host: str) -> None:
    with pytest.raises(HostNotAllowed, match="allowed_hosts"):
        accepted_host([host], allowed_hosts=OURS)


def test_a_page_of_the_allowed_name_may_ask_and_one_of_another_may_not() -> None:
    more = {"host": "lmx.example.org", "fetch_site": None, "fetch_mode": None}
    check_origin(["https://lmx.example.org"], **more)
    with pytest.raises(OriginNotAllowed):
        check_origin(["https://other.example.org:8443"], **more)


@pytest.mark.parametrize(
    "entry",
    ["*", "*.example.org", "https://lmx.example.org", "lmx.example.org/", "", " ", "a b", "a..b",
     "lmx.example.org:", "lmx.example.org:port", ".example.org"],
)  # fmt: skip
def test_an_entry_that_is_no_host_name_stops_the_start(entry: str) -> None:
    with pytest.raises(ValidationError, match="no host name"):
        Settings.model_validate({"version": 1, "allowed_hosts": [entry]})


@pytest.mark.parametrize("entry", [*OURS, "lmx", "192.168.1.5", "[fe80::1]:8443", "My.Mac.local"])
def test_an_entry_that_is_one_is_taken(entry: str) -> None:
    assert Settings.model_validate({"allowed_hosts": [entry]}).allowed_hosts == (entry,)
