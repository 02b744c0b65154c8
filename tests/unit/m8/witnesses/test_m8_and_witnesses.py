"""An m8 with real witnesses: what it signs is cosigned by a quorum, and what it does when they know better."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from click.testing import CliRunner

from monoskope.api.gateway.v1 import log_pb2
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.bootstrap import build
from monoskope.m8.cli.main import program
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.operations import Endpoints
from monoskope.m8.queries.witnessed import LogQueries
from monoskope.m8.service.app import App, Caller
from monoskope.m8.tree.key_file import KeyFile
from monoskope.m8.witnesses.settings import WitnessTable, checked
from monoskope.m8.witnesses.witnesses import asked
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import LogKeys, Policy
from monoskope.testing.engines.litewitness import Litewitness
from tests.support.checkpoints import checkpoint_of, copied, grown, keys_in
from tests.support.m8_world import PATIENCE_S, World, an_m8
from tests.support.witness_servers import Reply, WitnessKey, WitnessServer, mirrored, real_witness, witness_server

Real = tuple[Litewitness, WitnessServer]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Real, Real]]:
    folder = tmp_path_factory.mktemp("pair")
    with real_witness(folder, "witness.example/one") as one, real_witness(folder, "witness.example/two") as two:
        yield one, two


@pytest.fixture
def key(tmp_path: Path) -> LogKey:
    """The log's keys, in `log.key` of the folder."""
    return keys_in(tmp_path, f"monoskope/{time.monotonic_ns():016x}")


class Signing:
    """An m8 that signs and asks its witnesses when it is told to."""

    def __init__(self, world: World, folder: Path) -> None:
        self.app: App = world.app
        self._world = world
        self._task = CheckpointTask(world.app, folder, every_s=0.001)

    async def round(self, *, events: int = 1, after_s: float = 1) -> log_pb2.GetCheckpointResponse:
        """Record events, sign and ask; return what every caller is shown then."""
        if events:
            await grown(self.app.log, events)
        self._world.clock.pass_s(after_s)
        await self._task.round()
        self.app.witnessed.forget()
        return await LogQueries(self.app).get_checkpoint(log_pb2.GetCheckpointRequest(), cast("Caller", None))

    async def noted(self) -> str:
        """What readiness says of the log; it is ready whatever that is."""
        answer = await Endpoints(self.app).readyz()
        assert answer.status == 200
        return str(json.loads(answer.body)["notes"]["witnessed log"])


@asynccontextmanager
async def an_m8_with(
    folder: Path, *servers: tuple[WitnessServer, VerifierKey | str], quorum: int
) -> AsyncIterator[Signing]:
    tables = [WitnessTable(url=server.url, vkey=str(vkey), ca_file=str(server.ca_file)) for server, vkey in servers]
    found = checked(tables, quorum, 60.0, folder / "m8.toml")
    async with an_m8(folder) as world, asked(found, folder, lambda: int(time.time() * 1000)) as witnesses:
        world.app.witnessed.cosigners = witnesses
        yield Signing(world, folder)


async def test_a_quorum_cosigns_is_missed_and_comes_back(tmp_path: Path, key: LogKey, pair: tuple[Real, Real]) -> None:
    """Two real witnesses and a liar; then one of the two is away, and comes back without its memory."""
    (one, first), (two, second) = pair
    liar = WitnessKey("witness.example/liar")
    for witness in (one, two):
        witness.know(key.origin, str(key.vkeys[0]))
    policy = Policy(LogKeys.of(key.vkeys), tuple(VerifierKey.parse(each.vkey) for each in (one, two)), 2)
    with witness_server(tmp_path, lambda _: Reply(200, b"I agree\n")) as third:
        trio = (first, one.vkey), (second, two.vkey), (third, liar.vkey)
        async with an_m8_with(tmp_path, *trio, quorum=2) as m8:
            shown = await m8.round(events=3)
            assert policy.believe(shown.witnessed.note).checkpoint.size == 3
            assert (shown.quorum, shown.trouble, shown.quorum_trouble) == (2, "", "")
            assert [(each.vkey, each.size) for each in shown.witnesses] == [
                (one.vkey, 3), (two.vkey, 3), (str(liar.vkey), 0),
            ]  # fmt: skip
            assert [bool(each.trouble) for each in shown.witnesses] == [False, False, True]
            assert await m8.noted() == "ok"
            one.kill()
            shown = await m8.round()
            assert (checkpoint_of(shown.newest.note).size, checkpoint_of(shown.witnessed.note).size) == (4, 3)
            assert "m8 asks it again" in shown.witnesses[0].trouble
            shown = await m8.round(after_s=61)
            assert "2 of 3 witnesses" in shown.quorum_trouble
            assert (shown.trouble, await m8.noted()) == ("", "too few witnesses: m8 log status")
            metrics = (await Endpoints(m8.app).metrics()).body.decode()
            assert 'm8_log_witness_failing{witness="witness.example/one"} 1.0' in metrics
            assert 'm8_log_witness_failing{witness="witness.example/two"} 0.0' in metrics
            assert "m8_log_quorum_missing_seconds 61.0" in metrics
            one.wipe()
            one.start()
            one.know(key.origin, str(key.vkeys[0]))
            shown = await m8.round()
            assert policy.believe(shown.witnessed.note).checkpoint.size == 6
            assert (shown.quorum_trouble, await m8.noted()) == ("", "ok")


@pytest.mark.parametrize("is_away", [False, True], ids=["at its start", "when it asks"])
async def test_a_database_that_was_put_back_signs_nothing_once_a_witness_has_shown_what_it_lost(
    tmp_path: Path, key: LogKey, pair: tuple[Real, Real], is_away: bool
) -> None:
    """Its own file is lost, too. The witness is real, and what stands before it shows the checkpoint."""
    (witness, server), _ = pair
    witness.know(key.origin, str(key.vkeys[0]))
    plain, server.says = server.says, mirrored(witness.port)
    try:
        async with an_m8_with(tmp_path, (server, witness.vkey), quorum=1) as m8:
            await m8.round(events=2)
            copied(tmp_path / "log.db", tmp_path / "before.db")
            lost = await m8.round(events=4)
        (tmp_path / "log.checkpoint").unlink()
        for name in ("log.db", "log.db-wal", "log.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / "before.db").rename(tmp_path / "log.db")
        mirror = server.says
        async with an_m8_with(tmp_path, (server, witness.vkey), quorum=1) as m8:
            if is_away:  # it does not answer when m8 starts, so m8 signs once more
                server.says = lambda request: Reply(503) if request.method == "GET" else mirror(request)
                shown = await m8.round(after_s=100)
                assert (checkpoint_of(shown.newest.note).size, shown.trouble) == (3, "")
                assert "and this log has only come to 3" in shown.witnesses[0].trouble
                server.says = mirror
            shown = await m8.round(after_s=100)
            assert "a witness" in shown.trouble
            assert "m8 log renew" in shown.trouble
            assert [path.read_bytes() for path in tmp_path.glob("log.evidence-6-*")] == [lost.witnessed.note]
            size = checkpoint_of(shown.newest.note).size
        # Another process of this folder starts, and no witness answers any more.
        server.says = lambda _: Reply(503)
        async with an_m8_with(tmp_path, (server, witness.vkey), quorum=1) as m8:
            for _ in range(5):  # also when it has grown beyond what it lost
                shown = await m8.round(after_s=1000)
                assert shown.trouble
                assert checkpoint_of(shown.newest.note).size == size
    finally:
        server.says = plain


async def test_m8_serves_what_the_witnesses_of_its_settings_cosign(tmp_path: Path, pair: tuple[Real, Real]) -> None:
    """From m8.toml to the answer, without a hand in between."""
    folder = lay_out(Plan(tmp_path / "m8", HostPort("127.0.0.1", 0))).folder
    key = KeyFile(folder).load()
    assert key is not None
    tables = ""
    for witness, server in pair:
        witness.know(key.origin, str(key.vkeys[0]))
        tables += server.toml(witness.vkey)
    before = (folder / "m8.toml").read_text(encoding="utf-8")
    (folder / "m8.toml").write_text(f"quorum = 2\n{before}\n[log]\ncheckpoint_every_s = 0.05\n{tables}", "utf-8")
    async with build(settings.load(folder)) as running, asyncio.timeout(PATIENCE_S):
        await grown(running.app.log, 3)
        seen = await running.app.witnessed.seen()
        while seen.witnessed is None or seen.witnessed.size < 3:
            await asyncio.sleep(0.01)
            running.app.witnessed.forget()
            seen = await running.app.witnessed.seen()
        answer = await LogQueries(running.app).get_checkpoint(log_pb2.GetCheckpointRequest(), cast("Caller", None))
    policy = Policy(LogKeys.of(key.vkeys), tuple(VerifierKey.parse(witness.vkey) for witness, _ in pair), 2)
    assert policy.believe(answer.witnessed.note).checkpoint.size >= 3
    (folder / "log.evidence-9-00000000").write_text("a note")
    shown = await asyncio.to_thread(CliRunner().invoke, program, ["log", "status", "--dir", str(folder), "-o", "json"])
    assert shown.exit_code == 0, shown.output
    (status,) = json.loads(shown.output)
    assert (status["quorum"], status["quorum_trouble"]) == ("2 of 2", "none")
    assert status["newest_with_quorum"] >= 3
    assert status["witness witness.example/one"].startswith(f"cosigned position {status['checkpoint']} at ")
    assert status["evidence"].endswith("log.evidence-9-00000000")
