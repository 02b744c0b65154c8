"""`monoctl put secret` beside `bao kv put`: the whole process, started and ended, pair by pair."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from bench.figures import p50
from bench.progress import say
from bench.world import STORE, VALUES, World
from monoskope.errors import UnavailableError
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao import binary
from monoskope.testing.parts import program


def cli_put_ratio(world: World, pairs: int) -> float:
    """Return the median wall time of `monoctl put secret` in those of `bao kv put`; each first runs once unmeasured.

    Their environments are small and leave Python's bytecode cache on, as it is where people install `monoctl`.
    """
    say(f"command lines: {pairs} alternating pairs")
    user = world.users[0]
    files = []
    for key, value in VALUES.items():
        (user.home / key).write_bytes(value)
        files.append(str(user.home / key))
    ours: list[float] = []
    theirs: list[float] = []
    environment = {"PATH": world.direct_environment["PATH"], "HOME": str(user.home), "LANG": "C.UTF-8"}
    for _ in range(pairs + 1):
        sources = [part for key, file in zip(VALUES, files, strict=True) for part in ("--from-file", f"{key}={file}")]
        monoctl = [program("monoctl"), "put", "secret", f"{STORE}://{world.path()}", *sources]
        ours.append(_seconds(monoctl, environment))
        fields = [f"{key}=@{file}" for key, file in zip(VALUES, files, strict=True)]
        bao = [binary(), "kv", "put", f"-mount={MOUNT}", "-cas=0", f"{PREFIX}/{world.path()}", *fields]
        theirs.append(_seconds(bao, world.direct_environment))
    our_ms, their_ms = p50(ours[1:]) * 1_000, p50(theirs[1:]) * 1_000
    say(f"  monoctl put secret {our_ms:.0f} ms, bao kv put {their_ms:.0f} ms")
    return our_ms / their_ms


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    ran = subprocess.run(command, env=environment, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    if ran.returncode != 0:
        raise UnavailableError(f"{command[0]} ended with {ran.returncode}: {ran.stderr.decode(errors='replace')}")
    return seconds
