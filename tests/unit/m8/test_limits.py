"""What makes room where too many come: connections, TLS handshakes, logins and requests."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import count
from types import SimpleNamespace

import pytest

from monoskope.errors import RateLimitedError, UnavailableError
from monoskope.host_port import peer_name
from monoskope.m8.limits import connections as limit
from monoskope.m8.limits import connections as limits
from monoskope.m8.limits.connections import BURST_S, QUIET_S, Connection, Connections, Handshakes, origin
from monoskope.m8.limits.logins import ATTACHMENTS, BLAMED_S, WAITING, WAITING_EACH, Logins
from monoskope.m8.limits.subjects import RequestLimit
from monoskope.m8.readmodels.uploads import Usage


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
    assert (crowd.closed, crowd.known) == (farm[4:], ["127.0.0.1"] * 4)


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
    assert (crowd.closed, len(crowd.connections)) == (members[8:], 8)


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


async def test_memory_is_given_back_when_a_crowd_left_that_no_limit_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection takes 280 kB, and the allocator would keep them."""
    given_back = asyncio.Event()
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(limits, "LOOK_S", 0.0)
    monkeypatch.setattr(limits, "CALM_S", 0.0)
    monkeypatch.setattr(limits, "give_memory_back", lambda: loop.call_soon_threadsafe(given_back.set))
    crowd = Crowd(1_000, 1_000)
    peers = [crowd.comes() for _ in range(64)]
    assert crowd.connections._disturbed_at is None
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


def test_memory_has_an_end_and_logins_outlast_strangers(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
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


FLOOD = "192.0.2.66"
HONEST = "192.0.2.1"


@pytest.fixture
def clock() -> SimpleNamespace:
    """Stands still until it is moved."""
    return SimpleNamespace(now=1_000.0)


@pytest.fixture
def logins(clock: SimpleNamespace) -> Logins:
    return Logins(20.0, 10.0, lambda: clock.now)


def verified(logins: Logins, address: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        with contextlib.suppress(UnavailableError):
            logins.admit(address)
            logins.failed(address)
            count += 1
    return count


def test_one_address_fails_ten_times_a_second(logins: Logins, clock: SimpleNamespace) -> None:
    assert verified(logins, FLOOD, 28) == 10
    clock.now += 1.0
    assert verified(logins, FLOOD, 28) == 10


def test_many_addresses_fail_twenty_times_a_second(logins: Logins, clock: SimpleNamespace) -> None:
    flood = [f"192.0.2.{host}" for host in range(100, 120)]
    for _ in range(5):
        sum(verified(logins, address, 28) for address in flood)
        clock.now += 1.0
    assert sum(verified(logins, address, 28) for address in flood) <= 20


def test_a_flood_from_elsewhere_shuts_nobody_out(logins: Logins, clock: SimpleNamespace) -> None:
    for host in range(100, 120):
        verified(logins, f"192.0.2.{host}", 28)
    logins.admit(HONEST)
    clock.now += 0.01
    logins.failed(HONEST)
    with pytest.raises(UnavailableError):
        logins.admit(HONEST)
    clock.now += BLAMED_S
    logins.admit(HONEST)


def test_a_login_that_succeeds_is_never_counted_and_clears_its_address(logins: Logins) -> None:
    for _ in range(1_000):
        logins.admit(HONEST)
        logins.succeeded(HONEST)
    assert verified(logins, HONEST, 28) == 10
    logins.succeeded(HONEST)
    logins.admit(HONEST)


async def ends_when_told(logins: Logins, address: str) -> str:
    """A login that says nothing, and how it ends."""
    try:
        async with asyncio.timeout(600) as deadline:
            with logins.under_way(address, deadline):
                await asyncio.Event().wait()
    except TimeoutError:
        return "made room"
    return "?"


async def test_who_waits_longest_makes_room_of_its_own_address_if_that_has_too_many(logins: Logins) -> None:
    async with asyncio.TaskGroup() as group:
        honest = group.create_task(ends_when_told(logins, HONEST))
        silent = [group.create_task(ends_when_told(logins, FLOOD)) for _ in range(WAITING_EACH + 1)]
        assert await silent[0] == "made room"
        assert not honest.done()
        elsewhere = [group.create_task(ends_when_told(logins, str(number))) for number in range(WAITING - WAITING_EACH)]
        assert await honest == "made room"
        for task in (*silent[1:], *elsewhere):
            task.cancel()


async def test_a_login_whose_time_is_over_at_that_moment_makes_room_without_a_defect(logins: Logins) -> None:
    deadlines: list[asyncio.Timeout] = []

    async def waits() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(600) as deadline:
                deadlines.append(deadline)
                with logins.under_way(FLOOD, deadline):
                    await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        silent = [group.create_task(waits()) for _ in range(WAITING_EACH)]
        await asyncio.sleep(0)
        deadlines[0].reschedule(asyncio.get_running_loop().time())
        newcomer = group.create_task(ends_when_told(logins, FLOOD))
        await silent[0]
        assert not newcomer.done()
        for task in (*silent[1:], newcomer):
            task.cancel()


def test_one_store_attaches_a_few_times_at_once_and_then_once_a_second(logins: Logins, clock: SimpleNamespace) -> None:
    def attached(store: str, tries: int) -> int:
        count = 0
        for _ in range(tries):
            with contextlib.suppress(UnavailableError):
                logins.attaches(store)
                count += 1
        return count

    assert (attached("vault", 638), attached("local", 3)) == (ATTACHMENTS, 3)
    clock.now += 5.0
    assert attached("vault", 638) == 5


async def test_whoever_has_too_many_open_requests_is_refused_when_time_is_over() -> None:
    limit = RequestLimit(_Count({"loud": 3, "quiet": 2}), most=3)
    with pytest.raises(RateLimitedError) as refused:
        async with limit.place("loud", wait_s=0.01):
            pytest.fail("the limit was passed")
    assert "have not ended" in refused.value.message
    async with limit.place("quiet", wait_s=60):
        pass


@pytest.mark.parametrize("gives_up", [False, True])
async def test_a_waiting_caller_goes_on_when_a_request_ends_and_keeps_no_turn_if_it_gives_up(gives_up: bool) -> None:
    open_requests = {"anna": 1}
    limit = RequestLimit(_Count(open_requests), most=1)

    async def ask() -> str:
        async with limit.place("anna", wait_s=30):
            return "in"

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    if gives_up:
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    open_requests["anna"] = 0
    assert await (ask() if gives_up else asking) == "in"


class _Count:
    def __init__(self, open_requests: dict[str, int]) -> None:
        self._open = open_requests

    async def __call__(self, subject: str) -> tuple[int, Usage]:
        return self._open.get(subject, 0), Usage()
