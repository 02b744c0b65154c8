"""Which connections are closed when there are too many."""

from __future__ import annotations

import asyncio

import pytest

from monoskope.host_port import peer_name
from monoskope.m8.limits import connections as limits
from monoskope.m8.limits.connections import Connection, Connections, origin


class Crowd:
    """Connections, each from a port of its own."""

    def __init__(self, most: int, each: int) -> None:
        self.known: list[str] = []
        self.connections = Connections(most, each, proved=self.known.append)
        self.closed: list[str] = []
        self._entered: dict[str, Connection] = {}
        self._ports = iter(range(1_024, 65_536))

    def comes(self, host: str = "127.0.0.1", *, logs_in: bool = False) -> str:
        """Let a connection of that address come; return its peer."""
        peer = peer_name(host, next(self._ports))
        self._entered[peer] = self.connections.enter(peer, lambda: self.closed.append(peer))
        if logs_in:
            self.connections.prove(peer)
        return peer

    def leaves(self, peer: str) -> None:
        """Let a connection end; its transport says so, however it ended."""
        self.connections.leave(self._entered[peer])


def test_an_address_has_its_share_and_who_came_first_makes_room() -> None:
    crowd = Crowd(100, 4)
    flood = [crowd.comes() for _ in range(6)]
    crowd.comes("127.0.0.2")
    assert crowd.closed == flood[:2]
    for peer in flood[:2]:
        crowd.leaves(peer)
    assert len(crowd.connections) == 5
    crowd.leaves(flood[2])
    crowd.comes()
    assert crowd.closed == flood[:2], "the place of one that left is free"


def test_who_logged_in_stays_and_strangers_make_room() -> None:
    crowd = Crowd(100, 4)
    for _ in range(4):
        crowd.comes(logs_in=True)
    strangers = [crowd.comes() for _ in range(10)]
    assert crowd.closed == strangers


def test_a_share_is_a_share_even_of_those_who_logged_in() -> None:
    crowd = Crowd(100, 4)
    farm = [crowd.comes(logs_in=True) for _ in range(6)]
    assert crowd.closed == farm[4:]
    assert crowd.known == ["127.0.0.1"] * 4


def test_a_quarter_of_the_places_is_kept_free_of_strangers() -> None:
    crowd = Crowd(16, 10)
    for _ in range(6):
        crowd.comes("127.0.0.2", logs_in=True)
    strangers = [crowd.comes(f"127.0.1.{host}") for host in range(1, 11)]
    assert crowd.closed == strangers[:4]


def test_who_comes_last_has_time_to_log_in_however_many_have() -> None:
    crowd = Crowd(16, 10)
    for number in range(13):
        crowd.comes(f"127.0.0.{2 + number % 2}", logs_in=True)
    strangers = [crowd.comes(f"127.0.1.{host}") for host in range(1, 4)]
    assert crowd.closed == strangers[:1]


def test_there_are_no_more_connections_than_places_even_of_those_who_logged_in() -> None:
    crowd = Crowd(8, 100)
    members = [crowd.comes(f"127.0.0.{number}", logs_in=True) for number in range(2, 14)]
    assert crowd.closed == members[8:]
    assert len(crowd.connections) == 8


def test_a_peer_that_comes_again_by_the_same_port_is_another_connection() -> None:
    """Its first connection may end later than the second one begins."""
    connections = Connections(100, 4)
    first, second = (connections.enter("127.0.0.9:40000", lambda: None) for _ in range(2))
    connections.leave(first)
    connections.prove("127.0.0.9:40000")
    assert len(connections) == 1
    connections.leave(second)
    connections.leave(second)
    assert len(connections) == 0


async def test_memory_is_given_back_when_a_crowd_has_left_that_no_limit_sent_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A connection takes 280 kB, and the allocator would keep them."""
    given_back = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(limits, "LOOK_S", 0.0)
    monkeypatch.setattr(limits, "CALM_S", 0.0)
    monkeypatch.setattr(limits, "give_memory_back", lambda: loop.call_soon_threadsafe(given_back.set))
    crowd = Crowd(1_000, 1_000)
    peers = [crowd.comes() for _ in range(64)]
    assert not crowd.connections.is_disturbed
    for peer in peers:
        crowd.leaves(peer)
    running = asyncio.create_task(crowd.connections.run())
    await given_back.wait()
    running.cancel()


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.7:40000", "192.0.2.7"),
        ("[2001:db8:1:2:3:4:5:6]:40000", "2001:db8:1:2::/64"),
        ("[::1]:7", "::/64"),
        ("[::ffff:192.0.2.7]:7", "192.0.2.7"),
        ("unix:/run/m8.sock", "unix:/run/m8.sock"),
    ],
)
def test_limits_go_by_address_and_by_network_where_addresses_are_many(peer: str, address: str) -> None:
    assert origin(peer) == address


def test_a_mapped_address_is_called_as_ipv4() -> None:
    assert peer_name("192.0.2.7", 40_000) == "192.0.2.7:40000"
    assert peer_name("::ffff:192.0.2.7", 40_000) == "192.0.2.7:40000"
    assert peer_name("2001:db8::1", 7) == "[2001:db8::1]:7"
