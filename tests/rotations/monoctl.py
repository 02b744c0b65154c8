"""One run of `monoctl rotate secret`, which may be stopped and killed, and where a rotation stands by m8's log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.rotation.round import LATE_S
from monoskope.failpoints import CLOCK, VARIABLE, WAIT
from monoskope.protocol.request import Request
from monoskope.testing.parts import program
from tests.faults.logbook import Logbook
from tests.faults.parts import LIFETIME_S
from tests.rig.clients import TIMEOUT_S, environment_of
from tests.rig.facts import SETTLE_S
from tests.rotations.plan import ACCOUNT, GENERATE, LOOK, PROVE, SWITCH
from tests.rotations.world import ACCOUNTS, DB, RotatingCluster
from tests.support import warm

GRACE = "10m"
GRACE_S = 600
"""More than two minutes, and than the program's pause: no round begins before it has read again."""
REAL_GRACE = "2m"
UNKNOWN_S = SETTLE_S + 1.0
"""So long an end that is not known is waited for, instead of a key's lifetime and 60 s."""
URL = "url=text:postgresql://{username}:{password|url}@db.internal/orders"
_POLL_S = 0.01


class Run:
    """A process of its own. As `tests.faults.processes.Process`: what is killed is not started again here.

    Args:
        world: Where it rotates.
        number: Of this run.
        later_s: How far its clock is ahead.
        failpoint: At which it breaks, "" for none.
    """

    def __init__(self, world: RotatingCluster, number: int, later_s: int, failpoint: str = "", *more: str) -> None:
        shorter_s = round(LIFETIME_S + LATE_S - UNKNOWN_S)
        points = [] if world.real else [f"{CLOCK}=shift+{later_s}", f"{WAIT}=shift-{shorter_s}"]
        points += [failpoint] if failpoint else []
        environment = environment_of(world, 0) | ({VARIABLE: ",".join(points)} if points else {})
        accounts = [word for uri in ACCOUNTS for word in ("--account", uri)]
        words = ["rotate", "secret", DB, *accounts, "--make", URL, "--grace", REAL_GRACE if world.real else GRACE]
        words += ["--signing-key", str(world.signing_key), "-o", "json", *more]
        words += [] if world.real else ["--timeout", str(TIMEOUT_S)]
        folder = world.cluster.folder / "runs"
        folder.mkdir(exist_ok=True)
        self._log = folder / f"{number}.log"
        self.began = time.monotonic()
        with self._log.open("wb") as output:
            arguments = [program("monoctl"), *words]
            self._process = warm.spawn(arguments, world.cluster.folder, environment, output.fileno(), "")

    @property
    def pid(self) -> int | None:
        """Its id while it runs."""
        return self._process.pid if self._process.poll() is None else None

    def start(self) -> None:
        """Nothing: the next run goes on."""

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGKILL)

    async def ended(self, seconds: float) -> bool:
        """Wait until it ended; return whether it did, in that time."""
        while self.pid is not None:
            if time.monotonic() - self.began > seconds:
                self.kill()
                return False
            await asyncio.sleep(_POLL_S)
        return True

    @property
    def code(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.poll()

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def json(self) -> Any:
        """What it printed of a round that is over."""
        return json.loads(self.said[self.said.index("\n{") if "\n{" in self.said else 0 :])


class Steps:
    """Where the rotation under way stands, read past m8."""

    def __init__(self, world: RotatingCluster) -> None:
        self._book = Logbook(world.cluster.folder / "m8")
        self._now = LOOK

    def begin(self) -> None:
        """A run begins."""
        self._book.read()
        self._now = LOOK

    @property
    def now(self) -> str:
        """The step of the newest request."""
        for one in self._book.read():
            if one.upload.request is not None:
                self._now = _step(one.upload.request, self._now)
        return self._now


def _step(request: Request, before: str) -> str:
    match request.purpose:
        case upload_pb2.PURPOSE_GENERATE:
            return GENERATE
        case upload_pb2.PURPOSE_COPY | upload_pb2.PURPOSE_UPLOAD:
            return ACCOUNT if str(request.place) in ACCOUNTS else SWITCH
        case _:
            return LOOK if before == LOOK else PROVE
