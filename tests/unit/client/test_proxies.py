"""Which proxy leads to a server over HTTP."""

from __future__ import annotations

import pytest

from monoskope.client.http.roots import proxy_for
from monoskope.errors import UsageError

HOST = "m8.example.org"
PROXY = "http://proxy.example.org:3128"


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("text", [PROXY, f"{PROXY}/", "proxy.example.org:3128"])
def test_the_environment_names_a_proxy(variable: str, text: str) -> None:
    found = proxy_for(HOST, {variable: text, "http_proxy": "http://other:1"})
    assert found is not None
    assert (found[0], found[1].host, found[1].port, found[1].authorization) == (variable, "proxy.example.org", 3128, "")


def test_without_the_variable_or_with_an_empty_one_there_is_none() -> None:
    assert proxy_for(HOST, {}) is None
    assert proxy_for(HOST, {"https_proxy": "", "http_proxy": PROXY, "all_proxy": PROXY}) is None


@pytest.mark.parametrize("exempt", ["*", HOST, "other, .example.org", "example.org", "ORG", f"a,{HOST.upper()},b"])
def test_an_exempt_host_is_dialled_directly(exempt: str) -> None:
    assert proxy_for(HOST, {"https_proxy": PROXY, "no_proxy": exempt}) is None


@pytest.mark.parametrize("exempt", ["", ",", "ample.org", "m8.example.org.uk", "8.example.org"])
def test_others_are_not(exempt: str) -> None:
    assert proxy_for(HOST, {"https_proxy": PROXY, "no_proxy": exempt}) is not None


def test_a_proxy_may_ask_who_comes() -> None:
    found = proxy_for(HOST, {"https_proxy": "http://me:p%40ss@proxy.example.org:3128"})
    assert found is not None
    assert found[1].authorization == "Basic bWU6cEBzcw=="
    assert "bWU6" not in repr(found)


@pytest.mark.parametrize(
    "text",
    ["https://proxy:3128", "socks5://proxy:1080", "http://", "http://me:hunter2@:1", "http://a b:1", "http://p:0"],
)
def test_what_is_no_proxy_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="https_proxy names no proxy that can be used") as caught:
        proxy_for(HOST, {"https_proxy": text})
    assert "hunter2" not in str(caught.value)
