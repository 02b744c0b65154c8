"""What ends in the middle of a request: reactors that stumble or die, and an m8 that is killed."""

from __future__ import annotations

from monoskope.testing.parts import listens, wait_until
from tests.leaks.looking import KILLED
from tests.leaks.ways import Ways

STUMBLES = tuple(f"reactor.{place}-{step}" for step in ("open", "started", "write") for place in ("before", "after"))
"""Where a reactor stumbles, with a traceback, one request after the other."""
DEATHS = ("reactor.after-open=kill", "reactor.before-write=exit")
"""How one dies."""


def breaking(ways: Ways) -> None:
    """Break each part in turn, once; nothing else goes on beside it."""
    _kill_m8(ways)
    ways.interrupted()  # a reactor keeps a key that nobody uses for its lifetime, which is over when memory is searched
    part = ways.world.cluster.reactors["reactor-local"]
    _start_reactor(ways, ",".join(f"{place}=error" for place in STUMBLES))
    begin = part.said_bytes
    for place in STUMBLES:
        _put(ways, place)
    wait_until(lambda: part.said_since(begin).count("FailpointError") >= len(STUMBLES), what="it stumbled each time")
    for death in DEATHS:
        _start_reactor(ways, death)
        _put(ways, death)
        wait_until(lambda: part.pid is None, what="the reactor is dead")
    _start_reactor(ways, "")


def _put(ways: Ways, way: str) -> None:
    """Put new values; the command ends in some way."""
    ways.put(ways.uri("local"), ways.values(way, 10), "--timeout", "8")


def _start_reactor(ways: Ways, failpoints: str) -> None:
    cluster = ways.world.cluster
    part = cluster.reactors["reactor-local"]
    part.stop()
    cluster.wait_until_detached("local", 0)
    part.start({"MONOSKOPE_FAILPOINTS": failpoints} if failpoints else {})
    part.wait_for(lambda: bool(cluster.attached("local")))


def _kill_m8(ways: Ways) -> None:
    """m8 dies when it has recorded a sealed secret and told nobody. Its files are kept as they lay then."""
    world, cluster = ways.world, ways.world.cluster
    cluster.m8.stop()
    cluster.m8.start({"MONOSKOPE_FAILPOINTS": "m8.after-append.SecretUploadRequested=kill"})
    cluster.m8.wait_for(lambda: listens(cluster.server))
    wait_until(lambda: bool(cluster.attached("local")), what="a reactor is back")
    with world.planted_rows():
        _put(ways, "m8 is killed")
        wait_until(lambda: cluster.m8.pid is None, what="m8 is dead")
        world.keep_database(KILLED)
    cluster.start_m8()
    for store in world.stores:
        wait_until(lambda store=store: bool(cluster.attached(store)), what=f"{store} is back")  # type: ignore[misc]
