"""How far down a put could go: the same calls, messages, cryptography, forced writes and requests, and nothing else.

Three bare processes do what the protocol has client, m8 and reactor do, with the same libraries, over TLS, beside the
same OpenBao. No request is checked, no rule decided, no read model kept, nothing logged; so whatever m8, reactor and
client do better in between, a put stays above this. Below it there are only another protocol, transport or language.

They use our own HTTP server, connection pool and WebSocket. What those gain must count as a gain, so the floor that
puts are held against is frozen: it runs the code of the commit `FROZEN`, on the interpreter of the bench.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import bare_client
from bench.bare import Step
from bench.progress import say
from bench.world import World
from monoskope.errors import UnavailableError
from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.parts import Part, free_port, listens

FROZEN = "61b46e9429bb53efe8bb861594f72109d560f823"
"""The commit whose code is the frozen floor."""

OVER_FLOOR, OVER_FLOOR_NOW = "over_floor", "over_floor_now"
"""The ends of the names of figures beside the frozen floor, and beside the floor as today's code makes it."""

FIGURES = tuple(
    f"{what}_{floor}" for floor in (OVER_FLOOR, OVER_FLOOR_NOW) for what in ("put_latency", "throughput", "cpu")
)
"""A put's p50, puts a second, and CPU of m8 and reactor, each ÷ the same of the bare put."""

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Bare:
    """The three processes of bare puts, which run."""

    parts: Sequence[Part]
    client: subprocess.Popen[str]

    @property
    def served_by(self) -> dict[str, int]:
        """The process ids of the bare m8 and the bare reactor."""
        return {part.name: part.pid for part in self.parts if part.pid}

    async def alone(self, puts: int) -> list[float]:
        """Return the seconds of each of so many puts, made one at a time."""
        seconds: list[float] = await self._told(f"alone {puts}")
        return seconds

    async def together(self, puts: int) -> float:
        """Return the seconds of so many puts with 16 in flight."""
        seconds: float = await self._told(f"together {puts}")
        return seconds

    async def _told(self, line: str) -> Any:  # noqa: ANN401 - what the client answers
        print(line, file=self.client.stdin, flush=True)
        return await asyncio.to_thread(self.said)

    def said(self) -> Any:  # noqa: ANN401 - as above
        """Return the client's next answer. Raises `UnavailableError` where a process has failed."""
        assert self.client.stdout is not None
        if line := self.client.stdout.readline():
            return json.loads(line)
        words = " / ".join(f"{part.name}: {part.last_words()}" for part in self.parts)
        raise UnavailableError(f"the client of the bare put has ended. {words}")


@contextlib.contextmanager
def floors(folder: Path, world: World) -> Iterator[dict[str, Bare]]:
    """Yield what makes bare puts beside the engine of a `world` that runs, by the end of the name of its figures.

    The frozen floor is left out, which is said, where git does not have its commit.
    """
    trees = {OVER_FLOOR: frozen(folder / "frozen"), OVER_FLOOR_NOW: _ROOT}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(folder / name, world, tree))
            for name, tree in trees.items()
            if tree is not None
        }


def frozen(folder: Path, *, root: Path = _ROOT, commit: str = FROZEN) -> Path | None:
    """Write the code of `commit` into `folder`, and return the folder; None if `root` has no such commit."""
    folder.mkdir(parents=True)
    packed = folder / "code.zip"
    command = ["git", "-C", str(root), "archive", "--format=zip", f"--output={packed}", commit, "bench", "src"]
    git = shutil.which("git")
    ran = subprocess.run(command, capture_output=True, text=True, check=False) if git else None
    if ran is None or ran.returncode != 0:
        why = "git is not installed" if ran is None else ran.stderr.strip()
        say(f"LEFT OUT: {OVER_FLOOR}. The frozen floor needs commit {commit[:8]} of a whole git clone: {why}")
        return None
    with zipfile.ZipFile(packed) as code:
        code.extractall(folder)
    shutil.copy(bare_client.__file__, folder / "bench")
    return folder


@contextlib.contextmanager
def running(home: Path, world: World, tree: Path) -> Iterator[Bare]:
    """Run the processes of bare puts with the code in `tree`. Raises `UnavailableError` if one fails."""
    home.mkdir(mode=0o700, parents=True)
    made = tls.make((), now=dt.datetime.now(dt.UTC))
    files = {"ca.crt": made.ca, "tls.crt": made.certificate, "tls.key": made.key}
    for name, content in (files | {"engine.json": json.dumps(asdict(world.place)).encode()}).items():
        write_private(home / name, content)
    port = free_port()
    arguments = [str(home), str(port), *Step]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "PYTHONPATH": str(tree / "src")}
    m8, reactor = (
        Part(
            name,
            [sys.executable, "-m", f"bench.bare_{name}", *arguments],
            log=home / f"{name}.log",
            folder=tree,
            environment=environment,
        )
        for name in ("m8", "reactor")
    )
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        stack.callback(m8.kill)
        m8.start()
        m8.wait_for(lambda: listens(f"127.0.0.1:{port}"))
        stack.callback(reactor.kill)
        reactor.start()
        command = [sys.executable, "-m", "bench.bare_client", *arguments]
        client = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=tree, env=environment)
        stack.callback(client.communicate)
        bare = Bare([m8, reactor], client)
        if not Path(bare.said()).is_relative_to(tree):
            raise UnavailableError(f"the bare put does not run the code in {tree}.")
        yield bare
