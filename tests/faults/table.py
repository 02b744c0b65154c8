"""The one table of faults. `crash`, `rig`, `ha` and `load` pick from it by name, or all that apply to one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from tests.faults import databases, openbao, processes, strangers
from tests.faults.tcp_proxy import CUT, DELAY, DUPLICATE, HOLD, RESET, SLICE, broken

M8, REACTOR, MONOCTL = "m8", "reactor", "monoctl"
OPENBAO, POSTGRES, PATRONI = "openbao", "postgres", "patroni"
LINK, DOOR = "link", "door"
"""Places: between two parts, and where anyone may connect to m8."""

PROCESSES = (M8, REACTOR, MONOCTL, OPENBAO, POSTGRES)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that breaks.

    Attributes:
        breaks: Returns, for what stands at the place, a context manager inside of which it is broken. At the door it is
            the `Stranger` who connects, or a call for a `Door`.
    """

    name: str
    does: str
    where: tuple[str, ...]
    breaks: Any


_ALL = (
    Fault("kill", "it is gone at once (SIGKILL)", PROCESSES, processes.killed),
    Fault("stop", "it stands still (SIGSTOP)", PROCESSES, processes.stopped),
    Fault("failpoint", "it breaks at a named place, or has a wrong clock", (M8, REACTOR, MONOCTL), processes.armed),
    Fault("full disk", "none of its files can grow", (M8, REACTOR), processes.full_disk),
    Fault("no descriptors", "it can open no more files", (M8, REACTOR), processes.no_descriptors),
    Fault("sealed", "it is sealed", (OPENBAO,), openbao.sealed),
    Fault("limiting", "its rate limit is used up", (OPENBAO,), openbao.limiting),
    Fault("refusing", "the reactor's policy allows nothing", (OPENBAO,), openbao.refusing),
    Fault("kill under load", "it is gone while all wait for it", (POSTGRES,), databases.killed_under_load),
    Fault("postmaster", "PostgreSQL of the primary is gone", (PATRONI,), databases.postmaster_killed),
    Fault("node", "the primary's machine is gone until another leads", (PATRONI,), databases.node_killed),
    Fault("sigstop", "the primary stands still until another leads", (PATRONI,), databases.primary_asleep),
    Fault("senders", "the primary sends nothing to its standbys", (PATRONI,), databases.senders_asleep),
    Fault("standby", "one standby stands still", (PATRONI,), databases.standby_asleep),
    Fault("etcd", "what says who leads is away", (PATRONI,), databases.etcd_away),
    Fault(DELAY, "each piece waits", (LINK,), partial(broken, DELAY)),
    Fault(CUT, "connections are closed, new ones too", (LINK,), partial(broken, CUT)),
    Fault(RESET, "connections are reset after some bytes", (LINK,), partial(broken, RESET)),
    Fault(SLICE, "pieces are torn into small ones", (LINK,), partial(broken, SLICE)),
    Fault(HOLD, "nothing passes, and nothing is lost", (LINK,), partial(broken, HOLD)),
    Fault(DUPLICATE, "what a client sends is sent over a second connection, too", (LINK,), partial(broken, DUPLICATE)),
    Fault("silent", "a connection says nothing", (DOOR,), strangers.SILENT),
    Fault("half a handshake", "it begins TLS, and says no more", (DOOR,), strangers.HALF_A_HANDSHAKE),
    Fault("no request", "it ends its handshake, and says nothing", (DOOR,), strangers.NO_REQUEST),
    Fault("slow head", "it sends a byte of its request's head each second", (DOOR,), strangers.SLOW_HEAD),
    Fault("slow body", "it sends a byte of its request's body each second", (DOOR,), strangers.SLOW_BODY),
    Fault("mute websocket", "it opens a reactor's session, and reads nothing", (DOOR,), strangers.MUTE_WEBSOCKET),
    Fault("unread watch", "it watches all events, and reads none", (DOOR,), strangers.UNREAD_WATCH),
    Fault("login", "it logs in as no reactor that m8 knows, well signed", (DOOR,), strangers.login),
    Fault("packed call", "a call's body is packed", (DOOR,), strangers.packed_call),
    Fault("packed frame", "a frame of a reactor's session is packed", (DOOR,), strangers.packed_frame),
)
FAULTS = MappingProxyType({fault.name: fault for fault in _ALL})


def at(place: str) -> list[str]:
    """Return the names of all faults that apply to a place."""
    return [fault.name for fault in _ALL if place in fault.where]
