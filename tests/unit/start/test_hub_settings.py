"""Where a pull may connect to is one block of settings; nothing in it opens more than it says."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.domain.refusals import HubRefused
from app.engines.hub_hosts import Allowed
from app.settings import HubSettings
from app.wiring.pulling import _token

DEFAULT = HubSettings()


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://huggingface.co",
        "http://192.168.1.4:80",
        "http://localhost:1",  # a name, which may lead anywhere
        "ftp://huggingface.co",
        "huggingface.co",
        "https://",
        "https://user:secret@huggingface.co",
        "https://huggingface.co/path",
        "https://huggingface.co?x=1",
        "https://huggingface.co:99999",
        "",
    ],
)
def test_an_endpoint_is_encrypted_or_on_this_machine(endpoint: str) -> None:
    with pytest.raises(ValidationError):
        HubSettings(endpoint=endpoint)


@pytest.mark.parametrize(
    "endpoint", ["https://hub.example:8443", "http://127.0.0.1:9", "http://[::1]:9"]
)
def test_a_mirror_can_be_named(endpoint: str) -> None:
    assert HubSettings(endpoint=endpoint + "/").endpoint == endpoint


@pytest.mark.parametrize("host", ["*", "*.", "a b", "https://x.co", "x.co/y", "UPPER.co", "-x.co"])
def test_a_host_is_a_name_or_everything_below_one(host: str) -> None:
    with pytest.raises(ValidationError):
        HubSettings(hosts=(host,))


@pytest.mark.parametrize(
    ("url", "may"),
    [
        (("https", "huggingface.co", None), True),
        (("https", "cdn-lfs.huggingface.co", None), True),
        (("https", "cas-bridge.xethub.hf.co", 443), True),
        (("https", "HuggingFace.CO.", None), True),
        (("http", "huggingface.co", None), False),
        (("https", "huggingface.co", 8443), False),
        (("https", "hf.co", None), False),
        (("https", "evilhf.co", None), False),
        (("https", "hf.co.evil.org", None), False),
        (("https", "1.2.3.4", None), False),
        (("https", "127.0.0.1", None), False),
        (("file", "", None), False),
    ],
)
def test_the_default_leads_to_the_hub_and_its_own_hosts_only(
    url: tuple[str, str, int | None], may: bool
) -> None:
    allowed = Allowed.of(DEFAULT.endpoint, DEFAULT.hosts)
    scheme, host, port = url
    if may:
        allowed.check(scheme=scheme, host=host, port=port)
    else:
        with pytest.raises(HubRefused, match="Nothing was sent there"):
            allowed.check(scheme=scheme, host=host, port=port)


def test_a_mirror_on_this_machine_is_one_port_of_it() -> None:
    allowed = Allowed.of("http://[::1]:9", ())
    assert allowed.names == ("[::1]:9",)
    allowed.check(scheme="http", host="::1", port=9)
    for scheme, host, port in (("http", "::1", 10), ("https", "::1", 9), ("http", "127.0.0.1", 9)):
        with pytest.raises(HubRefused):
            allowed.check(scheme=scheme, host=host, port=port)


def test_a_token_is_read_from_the_file_that_the_operator_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert _token(None) is None
    with pytest.raises(HubRefused, match="cannot be read"):
        _token(file)
    file.write_text("hf_abc\n")
    assert _token(file) == "hf_abc"
    for wrong in (b"two words", b"a\nb", b"\xff"):
        file.write_bytes(wrong)
        with pytest.raises(HubRefused):
            _token(file)
