"""`monoctl` beside `bao`: the whole process, started and ended, pair by pair.

Their environments are small and leave Python's bytecode cache on, as it is where people install `monoctl`; and it is
installed as people do it.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence

from bench import installed
from bench.figures import p50
from bench.progress import say
from bench.world import STORE, VALUES, World
from monoskope.errors import UnavailableError
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao import binary

Command = Callable[[], Sequence[str]]
"""Returns the next command line to run."""

LISTED = "listed"
"""The folder of which the listing is measured, and how many secrets are in it."""
_LISTED_SECRETS = 20


def ratios(world: World, pairs: int) -> dict[str, float]:
    """Return cli_put_ratio, cli_list_ratio and cli_help_ratio: medians of the wall time of `monoctl` ÷ of `bao`."""
    beside = _Beside(world, pairs)
    beside.write_values()
    beside.fill_folder()
    return {
        "cli_put_ratio": beside.ratio("put", beside.monoctl_put, beside.bao_put),
        "cli_list_ratio": beside.ratio("list", beside.monoctl_list, beside.bao_list),
        "cli_help_ratio": beside.ratio("help", lambda: [beside.program, "--help"], lambda: [binary(), "--help"]),
    }


class _Beside:
    """Runs the two programs in turn."""

    def __init__(self, world: World, pairs: int) -> None:
        self._world = world
        self._pairs = pairs
        self._home = world.users[0].home
        self.program = str(installed.monoctl(world.cluster.folder / "installed"))

    def ratio(self, what: str, ours: Command, theirs: Command) -> float:
        """Return the ratio of one pair of commands; each first runs once unmeasured."""
        say(f"command lines, {what}: {self._pairs} alternating pairs")
        pairs = [
            (_seconds(ours(), self._environment()), _seconds(theirs(), self._world.direct_environment))
            for _ in range(self._pairs + 1)
        ]
        our_ms, their_ms = (p50(seconds) * 1_000 for seconds in zip(*pairs[1:], strict=True))
        say(f"  monoctl {our_ms:.0f} ms, bao {their_ms:.0f} ms")
        return our_ms / their_ms

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": self._world.direct_environment["PATH"],
            "HOME": str(self._home),
            "LANG": "C.UTF-8",
            "MONOCTL_SERVER": self._world.cluster.server,
            "MONOCTL_TOKEN_FILE": str(self._world.users[0].token_file),
        }

    def write_values(self) -> None:
        """Write the values into files, which both programs read."""
        for key, value in VALUES.items():
            (self._home / key).write_bytes(value)

    def fill_folder(self) -> None:
        """Put the secrets that are listed."""
        for number in range(_LISTED_SECRETS):
            _seconds(self._monoctl_put_at(f"bench/{LISTED}/{number}"), self._environment())

    def monoctl_put(self) -> Sequence[str]:
        """Put to a new path."""
        return self._monoctl_put_at(self._world.path())

    def _monoctl_put_at(self, path: str) -> Sequence[str]:
        sources = [part for key in VALUES for part in ("--from-file", f"{key}={self._home / key}")]
        return [self.program, "put", "secret", f"{STORE}://{path}", *sources]

    def bao_put(self) -> Sequence[str]:
        """Put to a new path without Monoskope."""
        fields = [f"{key}=@{self._home / key}" for key in VALUES]
        return [binary(), "kv", "put", f"-mount={MOUNT}", "-cas=0", f"{PREFIX}/{self._world.path()}", *fields]

    def monoctl_list(self) -> Sequence[str]:
        """List the folder as m8 knows it."""
        return [self.program, "get", "secrets", "--prefix", f"{STORE}://bench/{LISTED}"]

    def bao_list(self) -> Sequence[str]:
        """List the folder in the engine."""
        return [binary(), "kv", "list", f"-mount={MOUNT}", f"{PREFIX}/bench/{LISTED}"]


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    ran = subprocess.run(command, env=environment, capture_output=True, check=False)
    seconds = time.perf_counter() - began
    if ran.returncode != 0:
        raise UnavailableError(f"{command[0]} ended with {ran.returncode}: {ran.stderr.decode(errors='replace')}")
    return seconds
