"""`make model`: run the state machine for some time, from a seed that is printed."""

from __future__ import annotations

import argparse
import contextlib
import io
import secrets
import sys
import time
from collections import Counter

from monoskope import operating_log
from monoskope.m8.log.sqlite import records as sqlite_readers
from monoskope.testing.engines.postgres import Postgres
from tests.model.machine import POLL_S, run

EXAMPLES, STEPS = 10, 50


def main() -> int:
    """Run batches until the time is over. The steps of an example that fails are printed."""
    parser = argparse.ArgumentParser(prog="make model", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="when no further batch begins")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="of the first batch")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each example")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="in each batch")
    parser.add_argument("--shrink", action="store_true", help="look for the shortest steps that fail")
    parser.add_argument("--postgres", action="store_true", help="with the log in PostgreSQL, not in SQLite")
    given = parser.parse_args()
    operating_log.set_up(io.StringIO())
    sqlite_readers.POLL_S = POLL_S
    began, batch = time.monotonic(), given.seed
    tally: Counter[str] = Counter()
    again = ("SHRINK=1 " if given.shrink else "") + ("POSTGRES=1 " if given.postgres else "")
    with Postgres(fsync=False) if given.postgres else contextlib.nullcontext() as postgres:
        while batch == given.seed or time.monotonic() - began < given.seconds:
            same = f"make model SEED={batch} SECONDS=1 {again}STEPS={given.steps} EXAMPLES={given.examples}"
            sys.stdout.write(f"{same}\n")
            sys.stdout.flush()
            try:
                tally += run(batch, examples=given.examples, steps=given.steps, shrink=given.shrink, postgres=postgres)
            except Exception as error:
                error.add_note(f"This batch again: {same}")
                raise
            batch += 1
    sys.stdout.write("".join(f"{count:6} {how}\n" for how, count in sorted(tally.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
