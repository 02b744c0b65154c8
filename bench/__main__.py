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

from bench import commands, engines, floor, largest, log, profile, receipts, report, signed, uploads, waiting
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
    "floor_put_latency_ratio",
    "floor_throughput_ratio",
    "m8_rss_mib",
    "m8_rss_mib_at_100",
    "reactor_rss_mib",
    "reactor_rss_mib_at_100",
    "keys_alive_bytes",
    "reactor_gc_pause_ms",
    "unlucky_ratio",
    *signed.FIGURES,
    *log.FIGURES,
    *engines.figures(),
    *largest.FIGURES,
)
"""The last line's keys, in its order."""


def run(folder: Path, counts: Counts, storage: Storage) -> dict[str, float]:
    """Measure everything in `folder`. Raises `Error` if anything does not work as it must."""
    with closing(World(folder, storage=storage)) as world:
        world.start()
        found = asyncio.run(uploads.measure(world, counts))
        found |= asyncio.run(log.measure(world, folder))
        found |= floor.ratios(folder, world, counts)
        found |= commands.ratios(world, counts.pairs)
        found["keys_alive_bytes"] = asyncio.run(waiting.keys_alive_bytes(world, counts))
        found["reactor_gc_pause_ms"] = receipts.gc_pause_ms()
        found |= asyncio.run(engines.measure(world, counts))
        found |= asyncio.run(signed.measure(world, counts))
        found |= asyncio.run(largest.measure(folder))
        found["unlucky_ratio"] = asyncio.run(waiting.unlucky_ratio(world, counts))
        return found


def last_line(found: Mapping[str, float]) -> str:
    """Return the figures as one flat JSON object, exactly `FIGURES`."""
    return json.dumps({name: round(found[name], 3) for name in FIGURES})


def parts(folder: Path, storage: Storage) -> profile.By:
    """Return the CPU milliseconds of one put by process and part. Raises `Error` as `run`."""
    samples = folder / "samples"
    samples.mkdir(parents=True)
    added = profile.sampled_environment(samples)
    return profile.run(samples, World(folder / "world", storage=storage, added=added))


def lowest(folder: Path, counts: Counts, storage: Storage) -> dict[str, float]:
    """Return what a put would cost with only the protocol's own steps in it. Raises `Error` as `run`."""
    with closing(World(folder, storage=storage)) as world:
        return {name: round(figure, 3) for name, figure in floor.ladder(folder, world, counts).items()}


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
            elif options.floor:
                line = json.dumps(lowest(home / "floor", counts, options.storage))
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
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--profile", action="store_true", help="only say where the CPU time of a put goes, part by part")
    only.add_argument("--floor", action="store_true", help="only say what a put with just the protocol's steps costs")
    parser.add_argument("--storage", choices=get_args(Storage), default="pebbledb", help="OpenBao's storage")
    parser.add_argument("--write", type=Path, help="the folder of the documentation, to write the figures into it")
    options = parser.parse_args()
    if options.floor and options.write:
        parser.error("--floor writes no documentation")
    return options


if __name__ == "__main__":
    sys.exit(main())
