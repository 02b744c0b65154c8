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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.progress import say
from bench.scale import appends, growth, replicas, report, seed, subscribers, world
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
    return (*grown, *(f"{name}_{engine}" for engine in ENGINES for name in _OF_ENGINE), *_OF_REPLICAS)


def run(folder: Path, sizes: Sizes) -> tuple[dict[str, float], dict[str, dict[int, dict[str, float]]]]:
    """Measure everything, with logs kept in `folder`.

    Returns:
        The figures of the last line; and those of each engine at each size.

    Raises:
        Error: anything does not work as it must.
    """
    found: dict[str, float] = {}
    curves: dict[str, dict[int, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="monoskope-scale-") as scratch, _server(folder / "postgres") as server:
        maker = world.find_maker(seed.base(folder))
        say("appends and subscribers")
        found |= asyncio.run(appends.sqlite(Path(scratch), maker, sizes))
        found |= asyncio.run(appends.postgres(server, maker, sizes))
        found["subscribers_1000_p99_ms_sqlite"] = asyncio.run(subscribers.sqlite(Path(scratch), sizes))
        found["subscribers_1000_p99_ms_postgres"] = asyncio.run(subscribers.postgres(server, sizes))
        for engine in ENGINES:
            seeds = [_seeded(folder, engine, secrets, server) for secrets in sizes.secrets]
            disk = (
                bytes_per_secret_sqlite(seeds[-1])
                if engine == "sqlite"
                else bytes_per_secret_postgres(seeds[-1], server)
            )
            found[f"bytes_per_secret_{engine}"] = disk
            with _copies(seeds, server) as measured:
                say(f"{engine}: puts, listings, restarts")
                at = growth.measure(measured, sizes)
                if engine == "postgres":
                    say("puts through several m8")
                    found |= replicas.measure(measured[0], sizes)
                found[f"events_replayed_per_s_{engine}"] = replayed_per_s(measured[0], server)
            largest = size_name(sizes.secrets[-1])
            found |= {f"{name}_{largest}_{engine}": figure for name, figure in growth.ratios(at).items()}
            curves[engine] = {one.seed.secrets: one.figures() for one in at}
    return found, curves


@contextmanager
def _server(folder: Path) -> Iterator[Postgres]:
    """Yield a running PostgreSQL, and stop it cleanly if all went well: its databases stay for the next run."""
    with Postgres(folder, settings=SERVER) as server:
        yield server
        server.stop()


def _seeded(folder: Path, engine: str, secrets: int, server: Postgres) -> Seed:
    return seed.sqlite(folder, secrets) if engine == "sqlite" else seed.postgres(folder, secrets, server)


@contextmanager
def _copies(seeds: list[Seed], server: Postgres) -> Iterator[list[Seed]]:
    """Yield copies of the small logs and the large ones themselves, each with a free port."""
    copied = []
    for one in seeds:
        if one.secrets < _COPIED:
            copied.append(seed.copy(one, server))
        else:
            world.move(one.folder)
            if one.database:
                world.set_database(one.folder, server, one.database)
    kept = [one for one in seeds if one.secrets >= _COPIED]
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
    if options.write is not None:
        report.write(options.write, line, curves)
    say(f"took {(time.monotonic() - began) / 60:.1f} minutes")
    print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
