"""`make load`: many users, watchers and reactors on one m8, with thousands of hostile connections beside them.

It ends with one line of JSON, and with 1 if something was refused that should not be, a watcher missed an event, or a
reactor was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from monoskope.testing.engines.postgres import Postgres
from tests.load.run import Size, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--reactors", type=int, default=50)
    parser.add_argument("--hostile", type=int, default=1_000, help="connections of each sort that mean no good")
    parser.add_argument("--connections", type=int, default=2_000, help="what m8 allows; 2000 as installed")
    parser.add_argument("--pause", type=float, default=60.0, help="seconds that a user rests between two calls")
    parser.add_argument("--postgres", action="store_true", help="the log on PostgreSQL, not on SQLite")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    size = Size(
        given.seconds,
        seed,
        given.users,
        given.watchers,
        given.reactors,
        given.hostile,
        given.pause,
        given.connections,
    )
    sys.stderr.write(f"SEED={seed}\n")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(Postgres(fsync=False)) if given.postgres else None
        found = asyncio.run(run(folder / "cluster", size, postgres))
    sys.stdout.write(json.dumps(found) + "\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
