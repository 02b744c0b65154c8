"""What happens in one round, drawn from a seed: what each client does, and what breaks when. Pure.

A seed fixes this plan and nothing else: in which order processes run, and at which of their instructions a fault meets
them, is the kernel's. A round that failed is therefore replayed as it was planned, and may need some replays.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from monoskope.failpoints import CLOCK, NAMES
from tests.faults.table import FAULTS, LINK, M8, OPENBAO, POSTGRES, REACTOR, at
from tests.faults.tcp_proxy import HOLD

CLIENTS = 16
PROGRAMS = 4
"""So many of them, the first ones, run `monoctl` for each operation; the others use the SDK."""
STEPS = 5
LASTS_S = 9.0
"""The last fault of a round begins before that."""

WORLDS = MappingProxyType({"sqlite": (1, False), "postgres": (1, True), "three": (3, True)})
"""By name: how many m8 there are, and whether their log is in PostgreSQL."""

REACTORS = ("reactor-vault", "reactor-vault-2", "reactor-local", "reactor-local-2")

LINKS = ("clients", "reactors", OPENBAO, POSTGRES)
"""The links of a cluster. m8 do not talk to one another: they meet in the database."""

HELD_S = 2.0
"""What stops or holds an engine lasts no longer: the protocol relies on a write being made, or not, half a minute after
its reactor gave up; with the shortened times of the rig that is three seconds (`tests.rig.world`)."""

_VERBS = {"put": 40, "patch": 14, "delete": 8, "copy": 10, "compare": 12}
_OF_PARTS = ("kill", "stop", "failpoint", "failpoint")
_EXPECT = ("any", "any", "overwrite", "version", "absent")
_NEVER_REACHED = re.compile(
    rf"{re.escape(CLOCK)}|m8\.rebuild.*|m8\.audit.*|.*(Verified|Drift|Imported|Undeleted|RolledBack|Listed).*"
)
_SERVER_FAILPOINTS = {
    side: sorted(name for name in NAMES if name.startswith(f"{side}.") and not _NEVER_REACHED.fullmatch(name))
    for side in (M8, REACTOR)
}
_CLIENT_FAILPOINTS = sorted(name for name in NAMES if name.startswith("monoctl."))


@dataclass(frozen=True, slots=True)
class Step:
    """One operation to do.

    Attributes:
        expect: any, overwrite, absent, or version: the one that this client knows of the secret, if it knows one.
        failpoint: What `monoctl` is armed with, "" for nothing.
        killed_after_s: When `monoctl` is killed, 0 for never.
    """

    verb: str
    uri: str
    value: str
    expect: str
    to: str
    pause_s: float
    failpoint: str
    killed_after_s: float


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One thing that breaks.

    Attributes:
        at_s: When, after the round's beginning.
        kind: A fault of the table (`tests.faults.table`) that applies to the target.
        target: A part (`m8`, a reactor's folder, `openbao`, `postgres`) or a link.
        which: Of several m8, or of several links of one name.
        detail: What `MONOSKOPE_FAILPOINTS` says; of a link the seed of what it draws.
    """

    at_s: float
    lasts_s: float
    kind: str
    target: str
    which: int
    detail: str

    def __str__(self) -> str:
        what = f"{self.kind} {self.target}" + (f" {self.which + 1}" if self.which else "")
        return (
            f"{self.at_s:.1f} s: {what}{f' {self.detail}' if self.kind == 'failpoint' else ''} for {self.lasts_s:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class Round:
    seed: str
    world: str
    number: int
    steps: tuple[tuple[Step, ...], ...]
    """By client."""
    faults: tuple[PlannedFault, ...]


def replay(rounds: Sequence[Round]) -> str:
    """Return the command that plans some rounds of one cluster again."""
    first, last = rounds[0], rounds[-1]
    numbers = f"{first.number}-{last.number}" if first is not last else f"{first.number}"
    return f"make rig SEED={first.seed} WORLD={first.world} ROUND={numbers}"


def plan(seed: str, world: str, number: int) -> Round:
    """Draw a round. The same arguments give the same round, in every process."""
    chance = random.Random(f"{seed}/{world}/{number}")
    steps = tuple(tuple(_step(chance, number, client, at) for at in range(STEPS)) for client in range(CLIENTS))
    faults = sorted((_fault(chance, world) for _ in range(chance.randint(2, 7))), key=lambda fault: fault.at_s)
    return Round(seed, world, number, steps, tuple(faults))


def _step(chance: random.Random, number: int, client: int, at: int) -> Step:
    verb = chance.choices(list(_VERBS), list(_VERBS.values()))[0] if at else "put"
    store = "vault" if chance.random() < 0.75 else "local"
    own = chance.random() < 0.5
    name = f"c{client}" if own else f"shared{chance.randrange(2)}"
    other = "local" if store == "vault" else "vault"
    expect = chance.choice(_EXPECT)
    if verb in {"patch", "delete"} and expect in {"absent", "overwrite"}:
        expect = "any"
    program = client < PROGRAMS
    broken = program and chance.random() < 0.35
    action = chance.choice(("kill", "stop", "interrupt", "exit"))
    return Step(
        verb=verb,
        uri=f"{store}://rig/r{number}/{name}",
        value=f"value {at} of client {client} in round {number}" if verb in {"put", "patch", "compare"} else "",
        expect=expect,
        to=f"{other}://rig/r{number}/copy-{name}" if verb == "copy" else "",
        pause_s=round(chance.uniform(0.0, 1.5), 3),
        failpoint=f"{chance.choice(_CLIENT_FAILPOINTS)}={action}" if broken and chance.random() < 0.7 else "",
        killed_after_s=round(chance.uniform(0.2, 2.0), 3) if broken and chance.random() < 0.3 else 0.0,
    )


def _fault(chance: random.Random, world: str) -> PlannedFault:
    count, on_postgres = WORLDS[world]
    at_s, lasts_s = round(chance.uniform(0.3, LASTS_S), 3), round(chance.uniform(0.2, 4.0), 3)
    if chance.random() < 0.4:
        return _of_link(chance, at_s, lasts_s, count, LINKS if on_postgres else LINKS[:-1])
    targets = [M8, M8, *REACTORS, OPENBAO, *([POSTGRES] if on_postgres else [])]
    target = chance.choice(targets)
    side = REACTOR if target in REACTORS else target
    kind = chance.choice([name for name in _OF_PARTS if side in FAULTS[name].where])
    if target == OPENBAO and kind == "stop":
        lasts_s = min(lasts_s, HELD_S)
    detail = ""
    if kind == "failpoint":
        name, action = chance.choice(_SERVER_FAILPOINTS[side]), chance.choice(("kill", "kill", "stop"))
        if name == "m8.before-commit" and chance.random() < 0.5:
            action = "error"  # elsewhere nothing raises what this raises
        detail = f"{name}={action}@{chance.randint(1, 4)}"
    return PlannedFault(at_s, lasts_s, kind, target, chance.randrange(count) if target == M8 else 0, detail)


def _of_link(chance: random.Random, at_s: float, lasts_s: float, count: int, links: tuple[str, ...]) -> PlannedFault:
    target, kind = chance.choice(links), chance.choice(at(LINK))
    if target == OPENBAO and kind == HOLD:
        lasts_s = min(lasts_s, HELD_S)
    many = target not in {OPENBAO, POSTGRES}
    return PlannedFault(
        at_s, lasts_s, kind, target, chance.randrange(count) if many else 0, str(chance.getrandbits(32))
    )
