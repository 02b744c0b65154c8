"""What breaks in which rotation, and at which of its steps, drawn from a seed. Pure.

Of four rotations three have a fault. Two faults of three are aimed: every kind at every target comes once at every
step, in an order that the seed shuffles, before any comes twice. The third is a failpoint inside of a process.
"""

from __future__ import annotations

import functools
import random
import re
from dataclasses import dataclass, replace

from monoskope.failpoints import CLOCK, NAMES
from tests.faults.table import FAULTS, LINK, M8, MONOCTL, OPENBAO, POSTGRES, REACTOR, at
from tests.faults.tcp_proxy import HOLD
from tests.rig.schedule import HELD_S, PlannedFault
from tests.rotations.world import PG, VAULT

LOOK, GENERATE, ACCOUNT, PROVE, SWITCH = STEPS = ("look", "generate", "account", "prove", "switch")
FAILPOINT = "failpoint"
_PARTS = {M8: M8, VAULT: REACTOR, PG: REACTOR, MONOCTL: MONOCTL, OPENBAO: OPENBAO, POSTGRES: POSTGRES}
_OF_PARTS = ("kill", "stop", "sealed")
_LINKS = (("clients", 0), ("reactors", 0), ("reactors", 1), (OPENBAO, 0), (POSTGRES, 0))
_ENGINES = frozenset({OPENBAO, POSTGRES})
_NEVER_REACHED = re.compile(
    rf"{re.escape(CLOCK)}|monoctl.before-print|m8.(rebuild|audit|notices).*"
    r"|.*(Drift|Imported|Undeleted|RolledBack|Listed|Deleted|Change|Compared).*"
)


@dataclass(frozen=True, slots=True)
class Aimed:
    """A fault, and the step at which it begins; "" for a failpoint, which begins where the process comes to it."""

    fault: PlannedFault
    step: str

    def __str__(self) -> str:
        return f"{self.step or 'any step'}: {self.fault}"


def plan(seed: str, number: int) -> tuple[Aimed, ...]:
    """Draw what breaks in a rotation; they are counted from 1."""
    if number % 4 == 0:
        return ()
    before = number - number // 4 - 1
    chance = random.Random(f"{seed}/rotations/{number}")
    if before % 3 == 2:
        return (_failpoint(chance),)
    order = _order(seed)
    aimed = order[(before - before // 3) % len(order)]
    lasts_s = round(chance.uniform(0.2, 3.0), 3)
    if aimed.fault.target in _ENGINES and aimed.fault.kind in {"stop", HOLD}:
        lasts_s = min(lasts_s, HELD_S)
    at_s = 0.0 if aimed.step == PROVE else round(chance.uniform(0.0, 0.06), 3)
    return (replace(aimed, fault=replace(aimed.fault, at_s=at_s, lasts_s=lasts_s, detail=str(chance.getrandbits(32)))),)


@functools.cache
def _order(seed: str) -> tuple[Aimed, ...]:
    parts = [(kind, name, 0) for name, side in _PARTS.items() for kind in _OF_PARTS if side in FAULTS[kind].where]
    links = [(kind, name, which) for name, which in _LINKS for kind in at(LINK)]
    found = [aimed(step, *one) for one in parts + links for step in STEPS]
    random.Random(f"{seed}/order").shuffle(found)
    return tuple(found)


def aimed(step: str, kind: str, target: str, which: int = 0, *, lasts_s: float = 1.0, detail: str = "0") -> Aimed:
    return Aimed(PlannedFault(0.0, lasts_s, kind, target, which, detail), step)


def _failpoint(chance: random.Random) -> Aimed:
    target = chance.choice((M8, VAULT, PG, MONOCTL))
    side = _PARTS[target]
    name = chance.choice(_failpoints(side))
    action = chance.choice(("kill", "kill", "stop"))
    if target == MONOCTL:
        action = chance.choice(("kill", "kill", "stop", "interrupt", "exit"))
    return aimed("", FAILPOINT, target, lasts_s=0.5, detail=f"{name}={action}@{chance.randint(1, _MOST[target])}")


_MOST = {M8: 6, VAULT: 6, PG: 4, MONOCTL: 8}
"""How often a rotation comes to a place of each, more or less."""


@functools.cache
def _failpoints(side: str) -> tuple[str, ...]:
    return tuple(sorted(name for name in NAMES if name.startswith(f"{side}.") and not _NEVER_REACHED.fullmatch(name)))


def real() -> tuple[tuple[Aimed, ...], ...]:
    """Return the faults of the rounds in which everybody waits as long as for users: each leaves an end unknown."""
    written, receipt = "reactor.after-write=kill", "reactor.before-receipt=kill"
    return tuple(
        (one,)
        for one in (
            aimed("", FAILPOINT, PG, detail=f"{written}@1"),
            aimed("", FAILPOINT, VAULT, detail=f"{written}@1"),
            aimed("", FAILPOINT, VAULT, detail=f"{written}@2"),
            aimed("", FAILPOINT, PG, detail=f"{receipt}@3"),
            aimed("", FAILPOINT, M8, detail="m8.before-append.SecretCopied=kill@1"),
            aimed(SWITCH, "kill", MONOCTL),
            aimed(ACCOUNT, "kill", POSTGRES, lasts_s=5.0),
            aimed(GENERATE, "stop", OPENBAO, lasts_s=20.0),
            aimed(ACCOUNT, "cut", "reactors", 1, lasts_s=15.0),
            aimed(PROVE, "stop", PG, lasts_s=15.0),
        )
    )
