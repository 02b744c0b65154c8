"""Programs on the client SDK that go on running after their puts, so that their memory can be searched."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from monoskope.start import overwriting
from monoskope.testing.parts import dying_with_us
from tests.leaks import sdk_program
from tests.leaks.world import LeakCluster

KINDS = ("asynchronous", "synchronous")
SIZES: Mapping[str, tuple[int, ...]] = {"ssm": (64, 100), "sm": (64, 300, 3_000), "barbican": (64, 300, 3_000)}
"""Of the values for stores that take no larger ones, in bytes."""
UP_TO = (64, 3_000, 60_000)
"""Of those for the others."""


class Program:
    """One of them. It runs under the allocator that `monoctl` has (docs/adr/0004-reactor-memory.md)."""

    def __init__(self, world: LeakCluster, kind: str) -> None:
        self.name = f"{kind} SDK"
        self._world = world
        self._turn = 0
        user, site = world.user, world.folder / f"sdk-{kind}"
        site.mkdir(mode=0o700)
        self._folder = site
        # "serve" has it hold a control in each form (tests/leaks/site.py).
        command = [sys.executable, str(Path(sdk_program.__file__)), "serve", kind]
        command += [str(user.token_file.parent / "config.toml"), str(user.known_stores), str(user.home)]
        with (site / "program.log").open("wb") as log:
            self._process = subprocess.Popen(
                dying_with_us(command),
                cwd=site,
                env=overwriting(world.quiet()),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def put(self) -> int:
        """Put new values into every store, some for which m8 gives no key, and some where there is no store.

        Return how many values these were.
        """
        self._turn += 1
        name = f"{self.name.partition(' ')[0]}-{self._turn}"
        places = {store: self._world.uri(store, name) for store in self._world.stores}
        places |= {"elsewhere": f"local://elsewhere/{name}", "nowhere": self._world.uri("nowhere", name)}
        told, given = {}, 0
        for store, uri in places.items():
            sizes = SIZES.get(store, UP_TO)
            folder = self._world.folder / "inputs" / f"{self.name} {self._turn} {store}"
            folder.mkdir()
            for size in sizes:
                value = self._world.marks.canaries.value(f"{self.name} into {store}", size)
                (folder / f"key-{size}").write_bytes(value)
            told[uri] = str(folder)
            given += len(sizes)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(told), file=self._process.stdin, flush=True)
        said = self._process.stdout.readline().split()
        assert said == [*["UPLOADED"] * len(self._world.stores), "NOT_FOUND", "NOT_FOUND"], said
        return given
