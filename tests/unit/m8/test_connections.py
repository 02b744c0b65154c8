"""Who has to go when there are too many connections."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from weakref import WeakKeyDictionary

import pytest

from monoskope.host_port import peer_name
from monoskope.m8.limits.connections import Connections
from monoskope.m8.limits.peers import origin
from monoskope.m8.log.sqlite import file as sqlite_file

ACCEPTED: WeakKeyDictionary[socket.socket, socket.socket] = WeakKeyDictionary()
"""The end in m8's place of each connection."""
ESTABLISHED = 1


class Listener:
    """A listening socket that takes whoever comes, as gRPC does, in this process."""

    def __init__(self, last: ExitStack) -> None:
        self._last = last
        self._listener = last.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        self.port = self._listener.getsockname()[1]

    def comes(self, host: str = "127.0.0.1") -> socket.socket:
        """Connect from `host` and be accepted; return the connection's other end."""
        return self._met(socket.create_connection(("127.0.0.1", self.port), source_address=(host, 0)))

    def meets(self, one: socket.socket) -> socket.socket:
        """Let a socket connect, and accept it."""
        one.connect(("127.0.0.1", self.port))
        return self._met(one)

    def _met(self, one: socket.socket) -> socket.socket:
        self._last.enter_context(one)
        ACCEPTED[one] = self._last.enter_context(self._listener.accept()[0])
        return one


@pytest.fixture
def listener() -> Iterator[Listener]:
    with ExitStack() as last:
        yield Listener(last)


def is_open(one: socket.socket) -> bool:
    """Whether a connection was left alone; if not, see that it has ended for who opened it, too (tcp(7))."""
    if ACCEPTED[one].getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED:
        return True
    one.settimeout(60)
    assert one.recv(1) == b""
    return False


def peer(one: socket.socket) -> str:
    return peer_name(*one.getsockname())


def test_an_address_has_its_share_and_who_came_first_makes_room(listener: Listener) -> None:
    connections = Connections(100, 4)
    flood = [listener.comes() for _ in range(6)]
    other = listener.comes("127.0.0.2")
    connections.look(listener.port)
    assert sum(is_open(one) for one in flood) == 4
    assert is_open(other)
    staying = [one for one in flood if is_open(one)]
    late = listener.comes()
    for one in flood:
        if not is_open(one):
            one.close()
    connections.look(listener.port)
    assert is_open(late)
    assert sum(is_open(one) for one in staying) >= 3


def test_who_logged_in_stays_and_strangers_make_room(listener: Listener) -> None:
    connections = Connections(100, 4)
    honest = [listener.comes() for _ in range(4)]
    for one in honest:
        connections.prove(peer(one))
    strangers = [listener.comes() for _ in range(10)]
    connections.look(listener.port)
    assert all(is_open(one) for one in honest)
    assert not any(is_open(one) for one in strangers)


def test_a_share_is_a_share_even_of_those_who_logged_in(listener: Listener) -> None:
    connections = Connections(100, 4)
    farm = []
    for _ in range(6):
        farm.append(listener.comes())
        connections.prove(peer(farm[-1]))
        connections.look(listener.port)
    assert [is_open(one) for one in farm] == [True] * 4 + [False] * 2


def test_a_quarter_of_the_places_is_kept_free_of_strangers(listener: Listener) -> None:
    connections = Connections(16, 10)
    honest = [listener.comes("127.0.0.2") for _ in range(6)]
    for one in honest:
        connections.prove(peer(one))
    strangers = [listener.comes(f"127.0.1.{host}") for host in range(1, 11)]
    connections.look(listener.port)
    assert all(is_open(one) for one in honest)
    assert sum(is_open(one) for one in strangers) == 6


def test_who_comes_last_has_time_to_log_in_however_many_have(listener: Listener) -> None:
    connections = Connections(16, 10)
    for number in range(13):
        connections.prove(peer(listener.comes(f"127.0.0.{2 + number % 2}")))
    strangers = [listener.comes(f"127.0.1.{host}") for host in range(1, 4)]
    connections.look(listener.port)
    assert [is_open(one) for one in strangers] == [False, True, True]


def test_a_door_has_no_more_than_its_places_even_of_those_who_logged_in(listener: Listener) -> None:
    connections = Connections(8, 100)
    members = [listener.comes(f"127.0.0.{number}") for number in range(2, 14)]
    for one in members:
        connections.prove(peer(one))
    connections.look(listener.port)
    assert [is_open(one) for one in members].count(True) == 8
    staying = [one for one in members if is_open(one)]
    late = listener.comes("127.0.0.20")
    connections.prove(peer(late))
    connections.look(listener.port)
    assert not is_open(late)
    assert all(is_open(one) for one in staying)


def test_a_file_that_is_another_connection_now_counts_as_that(listener: Listener) -> None:
    connections = Connections(100, 2)
    with ExitStack() as gone:
        crowd = Listener(gone)
        for _ in range(3):
            crowd.comes("127.0.0.2")
        connections.look(crowd.port, listener.port)
    late = [listener.comes("127.0.0.3") for _ in range(3)]
    connections.look(crowd.port, listener.port)
    assert sum(is_open(one) for one in late) == 2


def test_other_sockets_and_files_of_the_process_are_left_alone(listener: Listener) -> None:
    with ExitStack() as last:
        other = Listener(last)
        mine = [other.comes() for _ in range(10)]
        here, there = socket.socketpair()
        last.enter_context(here)
        last.enter_context(there)
        Connections(16, 4).look(listener.port)
        assert all(is_open(one) for one in mine)
        here.sendall(b"x")
        assert there.recv(1) == b"x"


def test_who_fills_one_door_keeps_nobody_from_the_other(listener: Listener) -> None:
    with ExitStack() as last:
        other = Listener(last)
        connections = Connections(16, 16)
        flood = [listener.comes(f"127.0.1.{host}") for host in range(1, 17)]
        lonely = other.comes()
        connections.look(listener.port, other.port)
        assert sum(is_open(one) for one in flood) == 12
        assert is_open(lonely)


def test_the_share_of_an_address_is_one_for_both_doors(listener: Listener) -> None:
    with ExitStack() as last:
        other = Listener(last)
        connections = Connections(100, 4)
        flood = [door.comes() for _ in range(4) for door in (listener, other)]
        connections.look(listener.port, other.port)
        assert [is_open(one) for one in flood] == [False] * 4 + [True] * 4


def test_a_peer_with_one_port_for_both_doors_counts_twice(listener: Listener) -> None:
    with ExitStack() as last:
        other = Listener(last)
        connections = Connections(100, 1)
        mine = [socket.socket(), socket.socket()]
        for one in mine:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mine[0].bind(("127.0.0.9", 0))
        mine[1].bind(mine[0].getsockname())
        first, second = listener.meets(mine[0]), other.meets(mine[1])
        assert peer(first) == peer(second)
        connections.look(listener.port, other.port)
        assert [is_open(first), is_open(second)] == [False, True]


async def test_the_locks_of_the_database_stay(listener: Listener, tmp_path: Path) -> None:
    """They belong to the process and the file: closing any descriptor of the file drops all of them."""
    listener.comes()
    locked = tmp_path / "log.db"
    sqlite_file.prepare(locked)
    with closing(sqlite_file.connect(locked)) as holder:
        holder.execute("SELECT count(*) FROM events").fetchone()
        connections = Connections(100, 1)
        looking = asyncio.create_task(connections.run(listener.port))
        await asyncio.sleep(0)
        assert connections.count() == 1
        connections.look(listener.port)
        looking.cancel()
        # The last process that closes the database takes the write-ahead log away; this one is not the last.
        other = "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); one.execute('SELECT 1 FROM head')"
        subprocess.run([sys.executable, "-S", "-c", other, str(locked)], check=True)
        assert (tmp_path / "log.db-wal").exists()


def test_memory_is_given_back_when_a_crowd_has_left_that_no_limit_sent_away(listener: Listener) -> None:
    """A connection of HTTP takes 280 kB, and the allocator would keep them."""
    connections = Connections(1_000, 1_000)
    with ExitStack() as crowd:
        for _ in range(64):
            crowd.enter_context(closing(socket.socket()))
        connections.look(listener.port)
        assert not connections.is_disturbed
    connections.look(listener.port)
    assert connections.is_disturbed


def test_looking_uses_no_file_up(listener: Listener) -> None:
    connections = Connections(16, 4)
    flood = [listener.comes() for _ in range(8)]
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(50):
        connections.look(listener.port)
    # Threads of other tests may open or close some meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 25
    assert len(flood) == 8


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:40000", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:40000", "2001:db8:1:2::/64"),
        ("ipv6:%5B::1%5D:7", "::/64"),
        ("unix:/run/m8.sock", "unix:/run/m8.sock"),
    ],
)
def test_limits_go_by_address_and_by_network_where_addresses_are_many(peer: str, address: str) -> None:
    assert origin(peer) == address


def test_an_address_is_called_as_grpc_calls_it() -> None:
    assert peer_name("192.0.2.7", 40_000) == "ipv4:192.0.2.7:40000"
    assert peer_name("::ffff:192.0.2.7", 40_000) == "ipv4:192.0.2.7:40000"
    assert peer_name("2001:db8::1", 7) == "ipv6:%5B2001:db8::1%5D:7"
