"""The rounds of the rig, what is checked after each, and what is printed and kept."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

from monoskope.client import Client
from monoskope.errors import Error
from tests.faults.parts import LIFETIME_S
from tests.rig import invariants, writers
from tests.rig.breaker import Breaker
from tests.rig.clients import BOUND_S, Clients, settings_of
from tests.rig.facts import Facts, read, requests_of, verify_log, verify_tree
from tests.rig.history import UNKNOWN, Operation, write
from tests.rig.schedule import WORLDS, Round, plan, replay
from tests.rig.world import RigCluster

KEPT = Path("build/rig")
"""Where the history of a round that failed is written."""

ROUNDS = 8
"""After so many a new world is built: its log would otherwise be read for longer than it is broken."""

SETTLES_S = LIFETIME_S + 30.0
"""Once nothing is broken, every request must have ended after that: its key is not used, and it is recovered."""

LAST_S = 40.0
"""What the last round of a world and its end may take of the world's time."""

LEAST = 0.05
"""Of all operations so many must be acknowledged. On a machine that does much else it was a fifth."""

ERASED_S = 20.0
COVERED_S = 30.0
POLL_S = 0.2
SHARED_CLIENTS = 8
"""Connections of the writers of one secret."""


class Rig:
    """Runs rounds until its time is over."""

    def __init__(self, seed: str, seconds: float) -> None:
        self._seed = seed
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._numbers = dict.fromkeys(WORLDS, 0)
        self._total: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, "rig")
        self.found: list[str] = []

    async def run(self, world: str = "", numbers: Sequence[int] = ()) -> int:
        """Run the rounds `numbers` of a world, without any rounds of it, or of all worlds in turn; return 1 or 0."""
        _say(f"make rig SEED={self._seed} SECONDS={self._seconds:g}{f' WORLD={world}' if world else ''}")
        worlds = [world] if world else list(WORLDS)
        share = self._seconds / len(worlds)
        if numbers:
            await self._live(world, numbers)
        while not numbers and (time.monotonic() < self._until or not self._total["worlds"]):
            name = worlds[self._total["worlds"] % len(worlds)]
            first = self._numbers[name] + 1
            until = min(self._until, time.monotonic() + share - LAST_S)
            await self._live(name, range(first, first + ROUNDS), until=until)
        if not numbers:
            self._report(too_little(self._total))
        # Once more, since who reads the end of a long output must see it.
        for sentence in self.found:
            _violation(sentence)
        _say(f"{', '.join(f'{count} {what}' for what, count in self._total.items())}; {len(self.found)} violations")
        return int(bool(self.found))

    async def _live(self, name: str, numbers: Sequence[int], until: float = float("inf")) -> None:
        """Build one world, and let it go through some rounds."""
        self._total["worlds"] += 1
        with tempfile.TemporaryDirectory(prefix="m8-rig-") as folder:
            world = RigCluster(Path(folder), name)
            life = Life(world, self._thread)
            try:
                await life.begin()
                for at, number in enumerate(numbers):
                    if at and time.monotonic() > until:
                        break
                    self._numbers[name] = number
                    self._report(await life.round(plan(self._seed, name, number)))
                self._report(await life.settle())
            except Exception as error:  # noqa: BLE001 - what does not work again is what the rig looks for
                self._report(life.broken(error))
            finally:
                await life.end()
                self._total.update(life.counts)

    def _report(self, found: list[str]) -> None:
        self.found += found
        for sentence in found:
            _violation(sentence)


class Life:
    """A world from its beginning to its end."""

    def __init__(self, world: RigCluster, thread: ThreadPoolExecutor) -> None:
        self._world = world
        self._breaker = Breaker(world, thread)
        self._of_rounds: list[list[Operation]] = []
        self._plans: list[Round] = []
        self.counts: Counter[str] = Counter()

    @property
    def _operations(self) -> list[Operation]:
        return [one for operations in self._of_rounds for one in operations]

    async def begin(self) -> None:
        for link in self._world.all_links:
            await link.start()
        await self._breaker.run(self._world.build)
        await self._breaker.mend()

    async def end(self) -> None:
        self.counts["faults"] += self._breaker.counts.total()
        self.counts["connections"] += sum(link.counts["connections"] for link in self._world.all_links)
        await self._breaker.run(self._world.close)
        for link in self._world.all_links:
            await link.close()

    async def round(self, round_: Round) -> list[str]:
        """Break what the plan says while clients do what it says; then mend, check, and return what is wrong."""
        began = time.monotonic()
        self._plans.append(round_)
        clients = Clients(self._world, round_)
        self._of_rounds.append(clients.operations)
        writing = asyncio.create_task(self._writers(round_)) if round_.number == 1 else None
        breaking = asyncio.create_task(self._breaker.break_by(round_))
        await clients.run()
        found = [] if writing is None else await writing
        await _stopped(breaking)
        await self._breaker.mend()
        found += await self._check(clients.operations)
        self._tell(round_, clients.operations, time.monotonic() - began)
        return self._kept([round_], clients.operations, found)

    def broken(self, error: Exception) -> list[str]:
        """Return what is wrong if the world does not work again, or the rig itself fails."""
        found = ["".join(traceback.format_exception(error)).strip()]
        return self._kept(self._plans, self._operations, found, name="broken") if self._plans else found

    async def _writers(self, round_: Round) -> list[str]:
        """Let many write one secret meanwhile."""
        uri = f"vault://rig/writers/r{round_.number}"
        async with AsyncExitStack() as stack:
            made = [settings_of(self._world, number) for number in range(SHARED_CLIENTS)]
            clients = [await stack.enter_async_context(Client(one, notify=lambda _: None)) for one in made]
            operations = await writers.write_at_once(clients, uri)
        history = self._world.engines["vault"].history(uri.removeprefix("vault://"))
        self.counts["operations"] += len(operations)
        return self._kept([round_], operations, writers.check(operations, history), name="writers")

    async def _facts(self, operations: Sequence[Operation]) -> tuple[Facts, list[str]]:
        log = await self._world.open_log()
        try:
            events, kept = await read(log)
            found = await verify_log(log, events, kept)
            found += await verify_tree(log, lambda: self._world.signed)
        finally:
            await log.close()
        requests = requests_of(events)
        uris = {one.place for one in operations} | {one.uri for one in operations}
        histories = {uri: self._world.engines[uri.split(":")[0]].history(uri.partition("://")[2]) for uri in uris}
        self.counts["events"] = len(events)
        return Facts(operations, requests, histories, self._world.fingerprint, BOUND_S), found

    async def _check(self, operations: Sequence[Operation]) -> list[str]:
        facts, found = await self._facts(operations)
        return found + invariants.check(facts)

    async def settle(self) -> list[str]:
        """Wait until every request of this world has ended, then check all of its rounds once more."""
        found: list[str] = []
        deadline = time.monotonic() + SETTLES_S
        while True:
            facts, found = await self._facts(self._operations)
            open_ = [request_id for request_id, told in facts.requests.items() if not told.ended]
            if not open_ or time.monotonic() > deadline:
                break
            await asyncio.sleep(1.0)
        found += [f"the request {each} did not end: {facts.requests[each]}" for each in open_]
        found += await self._breaker.run(lambda: self._breaker.keys_are_erased(ERASED_S))
        found += await self._covered()
        found += invariants.check(facts) + await self._answers(facts)
        found += await self._rebuilt()
        return self._kept(self._plans, self._operations, found, name="all")

    async def _answers(self, facts: Facts) -> list[str]:
        """Ask m8 about each request whose user was not told its end: it answers what the log says."""
        found = []
        for number in range(len(self._world.users)):
            async with Client(settings_of(self._world, number), notify=lambda _: None) as client:
                for one in self._operations:
                    if one.end == UNKNOWN and one.client % len(self._world.users) == number:
                        found += await _asked(client, one, facts)
        return found

    async def _covered(self) -> list[str]:
        """Wait until a checkpoint covers the whole log: nothing that broke keeps m8 from signing."""
        log = await self._world.open_log()
        try:
            deadline = time.monotonic() + COVERED_S
            while (covered := max((one.checkpoint.size for one in self._world.signed), default=0)) < await log.head():
                if time.monotonic() > deadline:
                    return [f"checkpoints cover {covered} of {await log.head()} events, and m8 signs no more"]
                await asyncio.sleep(POLL_S)
        finally:
            await log.close()
        return []

    async def _rebuilt(self) -> list[str]:
        """Rebuild the read models of this log itself: they are what they were."""
        log = await self._world.open_log()
        try:
            before = await read(log)
            await log.rebuild()
            after = await read(log)
        finally:
            await log.close()
        same = before[0] != after[0] or before[1] == after[1]
        return [] if same else ["a rebuild of the read models changed them"]

    def _tell(self, round_: Round, operations: Sequence[Operation], seconds: float) -> None:
        ends = Counter(one.end or "NEVER" for one in operations)
        self.counts["rounds"] += 1
        self.counts["operations"] += len(operations)
        self.counts["acknowledged"] += ends["OK"]
        _say(f"{replay([round_])}: {seconds:.0f} s, {dict(ends.most_common())}")
        for fault in round_.faults:
            _say(f"    {fault}")

    def _kept(
        self, rounds: Sequence[Round], operations: Sequence[Operation], found: list[str], *, name: str = "clients"
    ) -> list[str]:
        """Keep the history of what failed, with the command that replays it."""
        if found:
            last, again = rounds[-1], replay(rounds)
            file = KEPT / f"{last.seed}-{last.world}-{last.number}-{name}.jsonl"
            faults = [str(fault) for one in rounds for fault in one.faults]
            write(file, {"replay": again, "faults": faults, "found": found}, operations)
            found = [*found, f"the history is in {file}; plan it again: {again}"]
        return found


def too_little(total: Mapping[str, int]) -> list[str]:
    """Return what is wrong with a run in which nearly nothing succeeded: then nothing could be lost, either."""
    if total["acknowledged"] >= LEAST * total["operations"]:
        return []
    return [f"of {total['operations']} operations {total['acknowledged']} were acknowledged: that shows nothing"]


async def _asked(client: Client, one: Operation, facts: Facts) -> list[str]:
    found = []
    for request_id in one.request_ids:
        told = facts.requests.get(request_id)
        if told is None:
            continue
        try:
            upload = await client.get_upload(request_id)
        except Error as error:
            found.append(f"m8 does not answer about {request_id}: {error}")
            continue
        if upload.outcome != told.outcome:
            found.append(f"m8 says {upload.outcome} of {request_id}, and the log {told.outcome}: {one}")
    return found


async def _stopped(breaking: asyncio.Task[None]) -> None:
    breaking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await breaking


def _violation(sentence: str) -> None:
    _say(f"VIOLATION: {sentence}")


def _say(sentence: str) -> None:
    print(sentence, flush=True)
