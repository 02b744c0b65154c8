"""Sixteen clients at once: some run `monoctl`, which may be killed, the others use the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import psutil

from monoskope.client import Client, Expect, Progress
from monoskope.client.settings import ClientSettings
from monoskope.errors import Error, OutcomeUnknownError
from monoskope.exit_codes import ExitCode, exit_code
from monoskope.failpoints import EXIT_CODE, VARIABLE
from monoskope.testing.parts import program
from tests.rig.history import KILLED, OK, Operation
from tests.rig.schedule import PROGRAMS, Round, Step
from tests.rig.world import RigCluster

TIMEOUT_S = 25.0
"""What every client is told by `timeout`."""

BOUND_S = TIMEOUT_S + 25.0
"""After so long it must have ended: a program has to start and to end, too, on two processors that do much else."""

_HANGS_S = BOUND_S + 20.0
_ASLEEP_S = 0.8
_EXPECT = {"any": Expect.ANY, "overwrite": Expect.OVERWRITE, "absent": Expect.ABSENT}
_REQUEST = re.compile(r"\b[0-9a-f]{32}\b")


class Clients:
    """Does what a round plans, and records it."""

    def __init__(self, world: RigCluster, round_: Round) -> None:
        self._world = world
        self._round = round_
        self.operations: list[Operation] = []

    async def run(self) -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            for number, steps in enumerate(self._round.steps):
                if number < PROGRAMS:
                    group.create_task(self._all(number, steps, _Program(self._world, number)))
                else:
                    sdk = await stack.enter_async_context(_sdk(self._world, number))
                    group.create_task(self._all(number, steps, sdk))

    async def _all(self, number: int, steps: tuple[Step, ...], client: _Program | _Sdk) -> None:
        known: dict[str, str] = {}
        for step in steps:
            await asyncio.sleep(step.pause_s)  # when the schedule says
            expect = known.get(step.to or step.uri, "any") if step.expect == "version" else step.expect
            one = Operation(number, step.verb, step.uri, step.value, expect, step.to)
            self.operations.append(one)
            one.began = time.monotonic()
            try:
                async with asyncio.timeout(_HANGS_S):
                    await client.do(one, step)
            except TimeoutError:
                one.said = "it hangs"
                continue
            one.ended = time.monotonic()
            if one.end == OK and one.verb in {"put", "patch", "copy"}:
                known[one.place] = one.version


def take(one: Operation, answer: Mapping[str, Any]) -> None:
    one.end = OK
    if answer["request_id"] not in one.request_ids:
        one.request_ids.append(answer["request_id"])
    match one.verb:
        case "copy":
            one.version, one.source_version = answer["destination_version"], answer["upstream_version"]
        case "delete":
            one.version = answer["deleted_version"]
        case _:
            one.version = answer["upstream_version"]
    if one.verb == "compare":
        one.equal = answer["equal"]


class _Sdk:
    def __init__(self) -> None:
        self.client: Client | None = None
        self._now: Operation | None = None

    def observe(self, progress: Progress) -> None:
        request_id = progress.request_id.hex()
        if self._now is not None and request_id not in self._now.request_ids:
            self._now.request_ids.append(request_id)

    async def do(self, one: Operation, _: Step) -> None:
        self._now = one
        try:
            result = await self._call(one)
        except Error as error:
            one.end, one.said = exit_code(error).name, error.message
            if isinstance(error, OutcomeUnknownError) and error.request_id not in {*one.request_ids, ""}:
                one.request_ids.append(error.request_id)
        except Exception as error:  # noqa: BLE001 - a defect, which the rig looks for
            one.end, one.said = ExitCode.INTERNAL.name, repr(error)
        else:
            take(one, {name: getattr(result, name) for name in result.__struct_fields__})

    async def _call(self, one: Operation) -> Any:
        assert self.client is not None
        client, value = self.client, {one.key: one.value.encode()}
        expect = _EXPECT.get(one.expect, one.expect)
        match one.verb:
            case "put":
                return await client.put_secret(one.uri, value, expect=expect, timeout=TIMEOUT_S)
            case "patch":
                return await client.patch_secret(one.uri, value, expect=expect, timeout=TIMEOUT_S)
            case "delete":
                return await client.delete_secret(one.uri, expect=expect, timeout=TIMEOUT_S)
            case "copy":
                return await client.copy_secret(one.uri, one.to, expect=expect, timeout=TIMEOUT_S)
            case _:
                return await client.compare_secret(one.uri, value, timeout=TIMEOUT_S)


def settings_of(world: RigCluster, number: int) -> ClientSettings:
    """The settings of a client: the order of the m8, and a user for each number."""
    return ClientSettings(
        servers=tuple(world.dialled("clients", first=number)),
        token=world.users[number % len(world.users)].token_file.read_text(encoding="utf-8").strip(),
        ca_file=world.cluster.folder / "m8" / "ca.crt",
        store_identities=world.cluster.identities,
    )


def environment_of(world: RigCluster, number: int) -> dict[str, str]:
    """The environment in which `monoctl` of a client runs."""
    user = world.users[number % len(world.users)]
    return world.cluster.part("", "monoctl", log="none", user=user).environment | {
        "MONOCTL_SERVER": ",".join(world.dialled("clients", first=number)),
        "MONOCTL_CA_FILE": str(world.cluster.folder / "m8" / "ca.crt"),  # the settings file's is for its own server
        "MONOCTL_TOKEN_FILE": str(user.token_file),
        "MONOCTL_KNOWN_STORES": str(world.cluster.folder / f"known_stores-{number}"),
        "MONOCTL_STORE_IDENTITY": " ".join(f"{name}={shown}" for name, shown in world.cluster.identities.items()),
    }


@contextlib.asynccontextmanager
async def _sdk(world: RigCluster, number: int) -> AsyncIterator[_Sdk]:
    sdk = _Sdk()
    async with Client(settings_of(world, number), notify=lambda _: None, observe=sdk.observe) as client:
        sdk.client = client
        yield sdk


class _Program:
    """`monoctl`, a new process each time."""

    def __init__(self, world: RigCluster, number: int) -> None:
        self._folder = world.cluster.folder
        self._environment = environment_of(world, number)

    async def do(self, one: Operation, step: Step) -> None:
        environment = self._environment | ({VARIABLE: step.failpoint} if step.failpoint else {})
        process = await asyncio.create_subprocess_exec(
            program("monoctl"), *_words(one), stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, cwd=self._folder
        )
        ends = asyncio.create_task(_attacked(process, step))
        try:
            out, err = await process.communicate(one.value.encode())
        finally:
            ends.cancel()
            _signal(process, signal.SIGKILL)
        note(one, process.returncode or 0, out, err.decode(errors="replace"), killed=is_killed(step))


async def _attacked(process: Process, step: Step) -> None:
    """Kill a program when the schedule says, or wake it after it stopped itself."""
    if step.killed_after_s:
        await asyncio.sleep(step.killed_after_s)  # when the schedule says
        _signal(process, signal.SIGKILL)
    while step.failpoint.endswith("=stop"):
        await asyncio.sleep(0.1)
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                await asyncio.sleep(_ASLEEP_S)  # the length of the fault
                _signal(process, signal.SIGCONT)


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to a program unless it has ended.

    `Process.kill` would first take the exit code of one that ends at this moment, and asyncio then tells 255.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _words(one: Operation) -> list[str]:
    words = [one.verb, "secret", one.uri]
    if one.to:
        words.append(one.to)
    if one.verb in {"put", "patch", "compare"}:
        words += ["--from-file", f"{one.key}=-"]
    if one.verb == "delete":
        words.append("--yes")
    if one.verb != "compare" and one.expect == "overwrite":
        words.append("--overwrite")
    elif one.verb != "compare" and one.expect != "any":
        words += ["--expect", one.expect]
    return [*words, "--timeout", str(TIMEOUT_S), "-o", "json"]


def is_killed(step: Step) -> bool:
    """Whether a step may end its program without a word."""
    return bool(step.killed_after_s) or step.failpoint.endswith(("=kill", "=exit"))


def note(one: Operation, code: int, out: bytes, err: str, *, killed: bool) -> None:
    """Note how a program ended; an interrupted one says the same as one that ran to its end.

    Args:
        killed: Whether the plan has it killed. One that dies by itself is a defect.
    """
    if code < 0 or code == EXIT_CODE:
        one.end, one.said = (KILLED, "") if killed else (ExitCode.INTERNAL.name, f"it died ({code}): {err[-1_500:]}")
        return
    if code in {ExitCode.OK, ExitCode.DIFFERENT}:
        take(one, json.loads(out))
        return
    one.end, one.said = ExitCode(code).name, err.strip()[-1_500:]
    if code == ExitCode.OUTCOME_UNKNOWN:
        one.request_ids += _REQUEST.findall(err)
