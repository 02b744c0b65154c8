"""A console that opens the browser itself listens where no browser has been."""

from __future__ import annotations

from ipaddress import ip_address

from monoskope.monoctl.console.browser import USUAL, hosts


def test_an_own_address_is_on_loopback_and_another_each_time() -> None:
    found = [list(hosts(is_own=True)) for _ in range(200)]
    assert all(ip_address(host).is_loopback for both in found for host in both)
    assert {both[1] for both in found} == {USUAL}
    assert len({both[0] for both in found}) > 190


def test_where_a_tunnel_leads_there_is_one_address() -> None:
    assert list(hosts(is_own=False)) == [USUAL]
