"""`host:port` is parsed, checked and shown in one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.host_port import HostPort, check_server, check_servers


@pytest.mark.parametrize(
    "text",
    ["", ":", "localhost", "localhost:", ":1", "::1:7443", "[::1]", "a b:1", "-a:1", "h:٣", "h:1 ", "h:-1", "[a:b]:1"],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="host:port"):
        HostPort.parse(text)


@given(
    host=st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z0-9]{1,5})?", fullmatch=True)
    | st.ip_addresses().map(str),
    port=st.integers(0, 65_535),
)
def test_an_address_reads_as_it_shows(host: str, port: int) -> None:
    assert HostPort.parse(str(HostPort(host, port))) == HostPort(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", "m8:0", "m8:", ":7443", "m8:123456", "m 8:1", "@default:1", "http://m8:1", "https://m8:0"),
        *("\u212a8:1", "https://m8:1/", "https://https://m8:1", "ü:1"),
    ],
)
def test_a_server_is_host_and_port(text: str) -> None:
    with pytest.raises(UsageError):
        check_server(text)


def test_a_server_is_compared_in_lower_case_and_an_ipv6_address_needs_no_port() -> None:
    assert check_server("M8.Example.org:7443") == "m8.example.org:7443"
    assert check_server("https://[::1]") == check_server("[::1]") == check_server("[::1]:7443") == "[::1]:7443"
    assert check_server("m8.test:65535") == "m8.test:65535"


@pytest.mark.parametrize("text", ["[fe80::1%a b]:7443", "m8:07443", "[m8]:7443", "[::g]:7443", "m8.test:65536"])
def test_a_server_has_one_spelling_and_no_zone(text: str) -> None:
    with pytest.raises(UsageError, match="host:port"):
        check_server(text)


@pytest.mark.parametrize("text", ["m8", "m8:7443", "https://m8", "https://m8:7443", "HTTPS://M8"])
def test_a_server_has_one_name_with_and_without_scheme_and_usual_port(text: str) -> None:
    assert check_server(text) == "m8:7443"


def test_no_server_stands_twice_in_a_list() -> None:
    assert check_servers("https://m8:7480, m8") == ("m8:7480", "m8:7443")
    with pytest.raises(UsageError, match="named twice"):
        check_servers("https://m8:7480,m8:7480")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("https://m8/", "Leave out the path: m8."),
        ("https://m8:7443/", "Leave out the path: m8:7443."),
        ("http://m8:7443", "m8 speaks HTTPS alone"),
        ("grpc://m8:7443", "m8 speaks HTTPS alone"),
        ("https://::1:7443", "in brackets"),
        ("::1", "in brackets"),
        ("https://m8:7443 m9:7443", "commas"),
        ("https:///", "m8.example.org:7443"),
    ],
)
def test_a_url_that_is_nearly_a_server_is_corrected(text: str, fix: str) -> None:
    with pytest.raises(UsageError, match="host:port, or https://host:port") as caught:
        check_server(text)
    assert fix in caught.value.fix


def test_a_login_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="with a login") as caught:
        check_server("https://anna:hunter2@m8:7480")
    assert "hunter2" not in f"{caught.value.message}{caught.value.fix}"
    assert "Leave out the login" in caught.value.fix


def test_an_address_to_listen_at_has_no_scheme() -> None:
    with pytest.raises(UsageError) as caught:
        HostPort.parse("https://127.0.0.1:7480")
    assert caught.value.fix.startswith("Leave out https://")
