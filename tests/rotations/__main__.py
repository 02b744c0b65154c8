"""`make rotations`: a program logs in with what stands at `db` while passwords rotate and everything breaks.

m8, both reactors, OpenBao, PostgreSQL and `monoctl` are killed, stopped and cut off at every step. No login may fail
that the database is not down for, after each fault `monoctl rotate` has to go on by itself to a whole round, and no
value may be outside of reactors and engines. Clocks are shortened, but in rounds beside, which wait as for users.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys

from monoskope import operating_log
from monoskope.testing.cluster.commands import Commands
from monoskope.testing.parts import Part
from tests.rotations.run import Rotations
from tests.support import disk, warm


def main() -> int:
    parser = argparse.ArgumentParser(prog="make rotations", description=__doc__)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="when no further rotation begins")
    parser.add_argument("--seed", default="", help="what the faults are drawn from, by default a new one")
    parser.add_argument("--rotations", type=int, default=500, help="how many, by shortened clocks")
    parser.add_argument("--real", type=int, default=10, help="how many faults run by real ones")
    given = parser.parse_args()
    Commands.execute = staticmethod(warm.run)
    Part.spawn = staticmethod(warm.spawn)
    warm.lent()  # which starts the process that is copied: it ends with the thread that did
    disk.never_wait()
    operating_log.set_up(sys.stderr)
    seed = given.seed or str(secrets.randbelow(1_000_000))
    return asyncio.run(Rotations(seed, given.seconds, given.rotations, given.real).run())


if __name__ == "__main__":
    sys.exit(main())
