"""Which TLS handshakes may begin: a flood costs its own address, and those who come otherwise get in."""

from __future__ import annotations

from itertools import count

import pytest

from monoskope.m8.limits import rates as limit
from monoskope.m8.limits.connections import origin
from monoskope.m8.limits.rates import BURST_S, QUIET_S, Handshakes

IN_ALL, EACH = 100, 10
OFFICE = "192.0.2.1"


class Door:
    """The limit, and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.refused = count()
        self._ports = count(1)
        self.handshakes = Handshakes(IN_ALL, EACH, lambda: self.now, lambda: next(self.refused))

    def begun(self, *addresses: str, tries: int = 1) -> int:
        """How many of so many handshakes of each address begin, in turn and each from a port of its own."""
        names = [f"[{one}]" if ":" in one else f"{one}" for one in addresses]
        peers = [f"{name}:{next(self._ports)}" for _ in range(tries) for name in names]
        return sum(self.handshakes.admit(peer) for peer in peers)

    def worn(self, *addresses: str, seconds: int = 2 * BURST_S) -> None:
        """Flood from the addresses, until what may begin at once is used up."""
        for _ in range(seconds):
            self.begun(*addresses, tries=IN_ALL)
            self.now += 1.0


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("address", ["192.0.2.66", "2001:db8:6:6::1"])
def test_one_address_begins_as_many_as_its_limit_says(door: Door, address: str) -> None:
    assert door.begun(address, tries=200) == EACH * BURST_S
    assert next(door.refused) == 200 - EACH * BURST_S
    door.now += 1.0
    assert door.begun(address, tries=200) == EACH


def test_all_addresses_of_a_64_bit_network_are_one(door: Door) -> None:
    assert door.begun(*(f"2001:db8:6:6::{host:x}" for host in range(1, 201))) == EACH * BURST_S
    assert door.begun("2001:db8:6:7::1") == 1


def test_strangers_leave_half_to_known_addresses_and_a_known_address_half_to_others(door: Door) -> None:
    door.handshakes.know(origin(f"{OFFICE}:1"))
    flood = [f"198.51.100.{host}" for host in range(1, 21)]
    door.worn(*flood)
    assert door.begun(*flood, tries=20) <= IN_ALL / 2
    assert door.begun(OFFICE, tries=40) == 40

    door.worn(*flood, OFFICE)
    assert door.begun(OFFICE, tries=IN_ALL) == IN_ALL / 2
    door.handshakes.know("192.0.2.2")
    assert door.begun("192.0.2.2", tries=20) == 20


def test_who_comes_seldom_gets_in_beside_a_flood(door: Door) -> None:
    flood = [f"198.51.100.{host}" for host in range(1, 21)]
    door.worn(*flood)
    for _ in range(10):
        door.now += QUIET_S
        door.begun(*flood, tries=30)
        assert door.begun("203.0.113.1") == 1, "as a load balancer that asks whether m8 is ready"


def test_who_comes_for_the_first_time_gets_in_beside_a_flood_from_many_addresses(door: Door) -> None:
    flood = [f"198.51.{net}.{host}" for net in range(4) for host in range(1, 251)]
    for _ in range(20):
        door.begun(*flood)
        door.now += QUIET_S / 2
    for host in range(1, 11):
        door.begun(*flood)
        assert door.begun(f"203.0.113.{host}") == 1
        door.now += QUIET_S / 2


def test_what_is_remembered_has_an_end_and_a_login_is_kept_beside_strangers(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "REMEMBERED", 50)
    door.handshakes.know(OFFICE)
    for host in range(60):
        door.begun(f"198.51.100.{host}")
        door.now += 1.0
    assert len(door.handshakes._by_stranger) == 50
    assert door.begun(OFFICE, tries=2 * EACH * BURST_S) == 2 * EACH * BURST_S
    for host in range(50):
        door.handshakes.know(f"198.51.100.{host}")
    assert len(door.handshakes._known) == 50
    assert door.begun(OFFICE, tries=2 * EACH * BURST_S) == EACH * BURST_S
