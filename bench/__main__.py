"""`make bench`: measure, say on stderr what happens, and end with the figures as one JSON object on stdout."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import get_args

from bench import (
    commands,
    connections,
    engines,
    fairness,
    floor,
    largest,
    pause,
    profile,
    report,
    rotation,
    signed,
    uploads,
)
from bench.counts import FULL, QUICK, Counts
from bench.progress import say
from bench.world import World
from monoskope.errors import Error
from monoskope.testing.engines.openbao_files import Storage

FIGURES = (
    "cli_put_ratio",
    "cli_list_ratio",
    "cli_help_ratio",
    "put_latency_ratio",
    "update_latency_ratio",
    "throughput_ratio",
    "update_throughput_ratio",
    "puts_per_core_of_m8",
    *floor.FIGURES,
    "put_engine_requests",
    "update_engine_requests",
    "m8_rss_mib",
    "reactor_rss_mib",
    "tls_connection_kib",
    "reactor_pause_ms_40000",
    "unlucky_ratio",
    *signed.FIGURES,
    *rotation.FIGURES,
    *engines.figures(),
    *largest.FIGURES,
)
"""The last line's keys, in its order."""


def run(folder: Path, counts: Counts, storage: Storage) -> dict[str, float]:
    """Measure everything in `folder`. Raises `Error` if anything does not work as it must."""
    with closing(World(folder, storage=storage)) as world:
        world.start()
        with floor.floors(folder, world) as bare:
            found = asyncio.run(uploads.measure(world, counts, bare))
        found |= commands.ratios(world, counts.pairs)
        found["reactor_pause_ms_40000"] = pause.pause_ms(folder)
        found |= asyncio.run(engines.measure(world, counts))
        found |= asyncio.run(signed.measure(world, counts))
        found |= asyncio.run(rotation.measure(world, counts))
        found |= asyncio.run(largest.measure(folder))
        found["tls_connection_kib"] = connections.tls_connection_kib(folder / "connections", counts.connections)
        found["unlucky_ratio"] = asyncio.run(fairness.unlucky_ratio(world, counts))
        return found


def last_line(found: Mapping[str, float]) -> str:
    """Return the figures as one flat JSON object: exactly `FIGURES`, but for those beside a floor that was left out."""
    return json.dumps({name: round(found[name], 3) for name in FIGURES if name in found or name not in floor.FIGURES})


def parts(folder: Path, storage: Storage) -> profile.By:
    """Return the CPU milliseconds of one put by process and part. Raises `Error` as `run`."""
    samples = folder / "samples"
    samples.mkdir(parents=True)
    added = profile.sampled_environment(samples)
    return profile.run(samples, World(folder / "world", storage=storage, added=added))


def main() -> int:
    """Run it and return the exit code."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory(prefix="monoskope-bench-") as folder:
        counts = QUICK if options.quick else FULL
        home = Path(folder)
        by: profile.By = {}
        try:
            if options.profile:
                by = parts(home / "parts", options.storage)
                line = json.dumps({name: round(sum(of.values()), 3) for name, of in by.items()})
            else:
                line = last_line(run(home / "world", counts, options.storage))
                if options.write:
                    by = parts(home / "parts", options.storage)
        except Error as error:
            say(str(error))
            return 1
        if options.write:
            report.write(options.write, {} if options.profile else json.loads(line), by)
    print(line)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: shows that it runs, its figures are noise")
    parser.add_argument(
        "--profile", action="store_true", help="only say where the CPU time of a put goes, part by part"
    )
    parser.add_argument("--storage", choices=get_args(Storage), default="pebbledb", help="OpenBao's storage")
    parser.add_argument("--write", type=Path, help="the folder of the documentation, to write the figures into it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
