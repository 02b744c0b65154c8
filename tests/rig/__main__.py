"""`make rig`: break every part and every link under load, round after round, and check after each what must hold.

`python -m tests.rig --seconds 300 --seed 7` runs all worlds in turn; with `--world` and `--round` one round alone, or
some rounds of one cluster: so what failed is planned again.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Sequence

from monoskope import operating_log
from monoskope.testing.cluster.commands import Commands
from tests.rig.run import Rig
from tests.rig.schedule import WORLDS
from tests.support import warm


def rounds(text: str) -> Sequence[int]:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make rig", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="when no further round begins")
    parser.add_argument("--seed", default="", help="what the rounds are drawn from, by default a new one")
    parser.add_argument("--world", choices=[*WORLDS, ""], default="", help="one kind of cluster alone")
    parser.add_argument(
        "--round", type=rounds, default=(), help="with --world: 4, or 1-8 for all of these in one cluster"
    )
    given = parser.parse_args()
    if given.round and not given.world:
        parser.error("--round needs --world.")
    Commands.execute = staticmethod(warm.run)
    operating_log.set_up(sys.stderr)
    seed = given.seed or str(secrets.randbelow(1_000_000))
    return asyncio.run(Rig(seed, given.seconds).run(given.world, given.round))


if __name__ == "__main__":
    sys.exit(main())
