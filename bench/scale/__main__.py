"""`make bench-scale`: measure, say on stderr what happens, and end with the figures as one flat JSON object on stdout.

With --write docs it also writes docs/scale.json, the picture docs/scale.svg, and the tables in docs/performance.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.figures import p50
from bench.progress import say
from bench.scale import appends, growth, replicas, report, rest, seed, subscribers, world
from bench.scale.disk import bytes_per_secret_postgres, bytes_per_secret_sqlite, replayed_per_s
from bench.scale.seed import Seed
from bench.scale.sizes import FULL, QUICK, TINY, Sizes
from monoskope.errors import Error
from monoskope.testing.engines.postgres import Postgres

ENGINES = ("sqlite", "postgres")

_GROWN = (
    "put_p50_ratio",
    "list_p50_ratio",
    *(f"list_{name}_p50_ratio" for name in growth.NAMES),
    "restart_ready_s",
    "m8_rss_mib",
)
"""With the suffix of the largest size and of the engine."""

_OF_ENGINE = (
    *(f"append_ratio_{writers}" for writers in appends.WRITERS),
    *(f"appends_{writers}_per_s" for writers in appends.WRITERS),
    "subscribers_1000_p99_ms",
    "bytes_per_secret",
    "events_replayed_per_s",
)
"""With the suffix of the engine."""

_OF_REPLICAS = ("replicas_2_ratio", "replicas_3_ratio", *(f"replicas_{number}_puts_per_s" for number in (1, 2, 3)))

OVER_SQLITE = "put_p50_postgres_over_sqlite"
"""A put's p50 with the fewest secrets, on PostgreSQL ÷ on SQLite."""

_COPIED = 200_000
"""Logs of fewer secrets are measured in a copy, so that the next run finds them as they were seeded."""

SERVER = {"shared_buffers": "1GB", "max_wal_size": "8GB", "min_wal_size": "1GB"}
"""What differs from PostgreSQL's own settings: those are for a much smaller machine."""

CHOICES = {"full": FULL, "quick": QUICK, "tiny": TINY}


def size_name(secrets: int) -> str:
    """Return how figures name a size: 1k, 100k, 1m."""
    for unit, name in ((1_000_000, "m"), (1_000, "k")):
        if secrets >= unit and secrets % unit == 0:
            return f"{secrets // unit}{name}"
    return str(secrets)


def figures(sizes: Sizes) -> tuple[str, ...]:
    """Return the keys of the last line, in its order."""
    largest = size_name(sizes.secrets[-1])
    grown = [f"{name}_{largest}_{engine}" for engine in ENGINES for name in _GROWN]
    return (
        *grown,
        *(f"{name}_{engine}" for engine in ENGINES for name in _OF_ENGINE),
        OVER_SQLITE,
        *_OF_REPLICAS,
        *rest.figures(sizes),
    )


def run(folder: Path, sizes: Sizes) -> tuple[dict[str, float], dict[str, dict[int, dict[str, float]]]]:
    """Measure everything, with logs kept in `folder`.

    Returns:
        The figures of the last line; and those of each engine at each size.

    Raises:
        Error: anything does not work as it must.
    """
    found: dict[str, float] = {}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="monoskope-scale-")))
        server = stack.enter_context(_server(folder / "postgres"))
        maker = world.find_maker(seed.base(folder))
        say("appends and subscribers")
        found |= asyncio.run(appends.sqlite(scratch, maker, sizes))
        found |= asyncio.run(appends.postgres(server, maker, sizes))
        found["subscribers_1000_p99_ms_sqlite"] = asyncio.run(subscribers.sqlite(scratch, sizes))
        found["subscribers_1000_p99_ms_postgres"] = asyncio.run(subscribers.postgres(server, sizes))
        found |= rest.crowds(scratch, sizes)
        seeds = {name: [_seeded(folder, name, secrets, server) for secrets in sizes.secrets] for name in ENGINES}
        found["bytes_per_secret_sqlite"] = bytes_per_secret_sqlite(seeds["sqlite"][-1])
        found["bytes_per_secret_postgres"] = bytes_per_secret_postgres(seeds["postgres"][-1], server)
        measured = {name: stack.enter_context(_copies(of, server)) for name, of in seeds.items()}
        say("puts, listings, restarts")
        at = growth.measure([one for name in ENGINES for one in measured[name]], sizes)
        found |= _grown(at, sizes)
        found |= rest.real({name: of[0] for name, of in measured.items()}, sizes)
        say("puts through several m8")
        found |= replicas.measure(measured["postgres"][0], server.pid or 0, sizes)
        found |= {f"events_replayed_per_s_{name}": replayed_per_s(of[0], server) for name, of in measured.items()}
    curves = {name: {one.seed.secrets: one.figures() for one in _of(name, at)} for name in ENGINES}
    return found, curves


def _of(engine: str, at: Sequence[growth.At]) -> list[growth.At]:
    return [one for one in at if bool(one.seed.database) == (engine == "postgres")]


def _grown(at: Sequence[growth.At], sizes: Sizes) -> dict[str, float]:
    largest = size_name(sizes.secrets[-1])
    ratios = {engine: growth.ratios(_of(engine, at)) for engine in ENGINES}
    found = {f"{name}_{largest}_{engine}": figure for engine, of in ratios.items() for name, figure in of.items()}
    sqlite, postgres = (p50(_of(engine, at)[0].puts_s) for engine in ENGINES)
    return found | {OVER_SQLITE: postgres / sqlite}


@contextmanager
def _server(folder: Path) -> Iterator[Postgres]:
    """Yield a running PostgreSQL, and stop it cleanly if all went well: its databases stay for the next run."""
    if not (folder / "data").exists():  # a run may have been ended while it laid it out
        shutil.rmtree(folder, ignore_errors=True)
    with Postgres(folder, settings=SERVER) as server:
        yield server
        server.stop()


def _seeded(folder: Path, engine: str, secrets: int, server: Postgres) -> Seed:
    return seed.sqlite(folder, secrets) if engine == "sqlite" else seed.postgres(folder, secrets, server)


@contextmanager
def _copies(seeds: list[Seed], server: Postgres) -> Iterator[list[Seed]]:
    """Yield copies of the small logs and the large ones themselves, each with a free port."""
    copied = [seed.copy(one, server) for one in seeds if one.secrets < _COPIED]
    kept = [one for one in seeds if one.secrets >= _COPIED]
    for one in kept:
        world.move(one.folder)
        if one.database:
            world.set_database(one.folder, server, one.database)
    try:
        yield [*copied, *kept]
    finally:
        for one in copied:
            shutil.rmtree(one.folder)
            if one.database:
                server.drop_database(one.database)


def last_line(found: Mapping[str, float], sizes: Sizes) -> str:
    """Return the figures as one flat JSON object, exactly `figures`."""
    return json.dumps({name: round(found[name], 3) for name in figures(sizes)})


def main() -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--size", choices=CHOICES, default="full", help="how much; only the full figures count")
    parser.add_argument(
        "--write", type=Path, metavar="FOLDER", help="also write scale.json, scale.svg and performance.md"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", default=seed.CACHE, help="where logs are kept")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sizes, began = CHOICES[options.size], time.monotonic()
    try:
        found, curves = run(seed.cache(options.cache), sizes)
    except Error as error:
        say(str(error))
        return 1
    line = last_line(found, sizes)
    report.say_compared(json.loads(line), (seed.ROOT / "docs" / report.JSON).read_text(encoding="utf-8"))
    if options.write is not None:
        report.write(options.write, line, curves)
    say(f"took {(time.monotonic() - began) / 60:.1f} minutes")
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
