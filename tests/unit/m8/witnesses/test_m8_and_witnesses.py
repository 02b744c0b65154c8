"""Real witnesses cosign what m8 signs, by quorum, and refuse what they must; their settings and their page."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import msgspec
import pytest
from click.testing import CliRunner

from monoskope.api.gateway.v1 import log_pb2
from monoskope.errors import UsageError
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.bootstrap import build
from monoskope.m8.cli.main import program
from monoskope.m8.init import lay_out
from monoskope.m8.operations import Endpoints
from monoskope.m8.queries.witnessed import LogQueries
from monoskope.m8.service.app import App, Caller
from monoskope.m8.settings import File
from monoskope.m8.tree.key_file import KeyFile
from monoskope.m8.tree.witness_settings import WitnessTable, checked
from monoskope.m8.tree.witnesses import Witnesses, asked
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.protocol.tlog.note import LogKeys, Note, Policy
from monoskope.testing.engines.litewitness import Litewitness
from monoskope.testing.parts import free_port
from tests.support.checkpoints import checkpoint_of, copied, grown, keys_in
from tests.support.m8_user import PATIENCE_S
from tests.support.m8_world import World, an_m8
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import (
    Asking,
    Reply,
    WitnessKey,
    WitnessServer,
    before,
    mirrored,
    needed,
    real_witness,
    witness_server,
)

Real = tuple[Litewitness, WitnessServer]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Real, Real]]:
    folder = tmp_path_factory.mktemp("witnesses")
    with real_witness(folder, "witness.example/one") as one, real_witness(folder, "witness.example/two") as two:
        yield one, two


async def cosigned(witnesses: Witnesses, tree: MemoryTree, vkeys: list[str]) -> Note:
    asked = await witnesses.cosign(tree.note(), tree)
    assert ([state.trouble for state in asked.witnesses], asked.stop) == (["" for _ in vkeys], "")
    assert [each.vkey for each in asked.cosignatures] == vkeys
    whole = Note.parse(tree.note() + "".join(f"{each.line}\n" for each in asked.cosignatures).encode())
    assert len(whole.verified([VerifierKey.parse(vkey) for vkey in vkeys])) == len(vkeys)
    return whole


async def test_two_witnesses_cosign_a_growing_log(pair: tuple[Real, Real], asking: Asking, tree: MemoryTree) -> None:
    """Both verify our notes with two signatures, and our consistency proofs; m8 verifies theirs."""
    for witness, _ in pair:
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
    async with asking(*((server, witness.vkey) for witness, server in pair), quorum=2) as witnesses:
        tree.length = 1
        whole = await cosigned(witnesses, tree, [witness.vkey for witness, _ in pair])
        for tree.length in (5, 5, 9, 64):
            whole = await cosigned(witnesses, tree, [witness.vkey for witness, _ in pair])
        # They are not asked for what they have signed already.
        before = [len(server.asked) for _, server in pair]
        again = await witnesses.cosign(bytes(whole), tree)
        assert (again.cosignatures, again.stop) == ((), "")
        assert [len(server.asked) for _, server in pair] == before
    assert all(witness.known()[tree.key.origin]["size"] == 64 for witness, _ in pair)
    # Fact of ADR 55: it shows no checkpoint where c2sp.org/tlog-witness says that it should.
    async with asking((pair[0][1], pair[0][0].vkey)) as witnesses:
        assert await witnesses.published(tree) == []


async def test_a_witness_that_does_not_know_the_log_says_what_its_operator_must_do(
    pair: tuple[Real, Real], asking: Asking, tree: MemoryTree
) -> None:
    (witness, server), _ = pair
    async with asking((server, witness.vkey)) as witnesses:
        asked = await witnesses.cosign(tree.note(), tree)
    assert (asked.cosignatures, asked.stop) == ((), "")
    assert "the Ed25519 vkey that m8 log key prints" in asked.witnesses[0].trouble


async def test_a_witness_that_was_wiped_or_away_cosigns_again(tmp_path: Path, asking: Asking, tree: MemoryTree) -> None:
    with real_witness(tmp_path, "witness.example/three") as (witness, server):
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
        async with asking((server, witness.vkey)) as witnesses:
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
            witness.kill()
            tree.length = 8
            gone = await witnesses.cosign(tree.note(), tree)
            assert (gone.cosignatures, gone.stop) == ((), "")
            assert "m8 asks it again" in gone.witnesses[0].trouble
            witness.wipe()
            witness.start()
            witness.know(tree.key.origin, str(tree.key.vkeys[0]))
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
            assert witness.known()[tree.key.origin]["size"] == 8


async def test_a_log_that_was_rolled_back_gets_no_cosignature(tmp_path: Path, asking: Asking, tree: MemoryTree) -> None:
    """This litewitness shows no checkpoint that would prove it, so m8 goes on, without this witness."""
    with real_witness(tmp_path, "witness.example/four") as (witness, server):
        witness.know(tree.key.origin, str(tree.key.vkeys[0]))
        async with asking((server, witness.vkey)) as witnesses:
            assert (await witnesses.cosign(tree.note(), tree)).cosignatures
        tree.length = 3
        async with asking((server, witness.vkey)) as witnesses:
            behind = await witnesses.cosign(tree.note(), tree)
        assert (behind.cosignatures, behind.stop) == ((), "")
        assert "cosigned a checkpoint of position 5, and this log has only come to 3" in behind.witnesses[0].trouble
        forked = MemoryTree(tree.key, 9, seed=1)
        async with asking((server, witness.vkey)) as witnesses:
            refused = await witnesses.cosign(forked.note(), forked)
        assert (refused.cosignatures, refused.stop) == ((), "")
        assert "does not continue the checkpoint which it cosigned last" in refused.witnesses[0].trouble
        assert witness.known()[tree.key.origin]["size"] == 5


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
    folder = lay_out(tmp_path / "m8", HostPort("127.0.0.1", 0)).folder
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


ONE, TWO = str(WitnessKey("w.example/1").vkey), str(WitnessKey("w.example/2", kind=Kind.COSIGNATURE_ML_DSA_44).vkey)
SAME_NAME = str(WitnessKey("w.example/1").vkey)
LOG = str(LogKey.make("some/log").vkeys[0])


def table(vkey: str = ONE, url: str = "https://w.example/one", **more: str) -> str:
    fields = {"url": url, "vkey": vkey, **more}
    return "[[witness]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


def loaded(folder: Path, text: str) -> settings.ServerSettings:
    (folder / "m8.toml").write_text(text, encoding="utf-8")
    return settings.load(folder)


def test_without_witnesses_there_are_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").witnesses is None


def test_the_monitoring_prefix_is_the_submission_prefix_unless_it_is_named(tmp_path: Path) -> None:
    text = (
        "quorum = 2\n"
        + table(ca_file="w.crt")
        + table(TWO, "https://w.example:7443", monitoring_url="https://m.example/")
    )
    found = loaded(tmp_path, text).witnesses
    assert found is not None
    one, two = found.witnesses
    assert (one.monitoring_url, one.ca_file) == (one.url, tmp_path / "w.crt")
    assert (two.url.port, two.monitoring_url.host, two.ca_file) == (7443, "m.example", None)
    assert (found.quorum, found.alarm_s) == (2, 300)
    assert found.digest != loaded(tmp_path, text.replace("quorum = 2", "quorum = 1")).witnesses.digest  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (table(), "quorum must be from 1 to 1"),
        ("quorum = 2\n" + table(), "quorum must be from 1 to 1"),
        ("quorum = 1\n", "no meaning without witnesses"),
        ("quorum = 1\nwitness_alarm_s = 0\n" + table(), "witness_alarm_s must be from 1"),
        ("quorum = 1\n" + table(url="http://w.example/"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(url="https://w.example/?a=b"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(url="https://user:x@w.example/"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(monitoring_url="ftp://w.example/"), "monitoring_url of the witness w.example/1"),
        ("quorum = 1\n" + table(vkey=ONE[:-4]), "vkey of a table"),
        ("quorum = 1\n" + table(vkey=LOG), "is a log's, of type 0x01"),
        ("quorum = 1\n" + table() + table(), "the same url"),
        ("quorum = 1\n" + table() + table(url="https://w.example/two"), "the same vkey"),
        ("quorum = 1\n" + table() + table(SAME_NAME, "https://w.example/two"), "the same name in vkey"),
        ("quorum = 1\n" + table(key="x"), "unknown field"),
        ('quorum = 1\n[[witness]]\nurl = "https://w.example"\n', "vkey"),
    ],
    ids=[
        "no quorum", "too large a quorum", "a quorum of nobody", "no alarm", "http", "a query", "a login",
        "another scheme", "half a key", "a log's key", "one url twice", "one key twice", "one name twice",
        "a strange field", "no key",
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=r"m8\.toml") as caught:
        loaded(tmp_path, text)
    assert says in caught.value.message
    assert caught.value.fix
    assert "user:x" not in caught.value.message


def test_more_than_16_witnesses_are_refused(tmp_path: Path) -> None:
    tables = "".join(table(str(WitnessKey(f"w.example/{n}").vkey), f"https://w.example/{n}") for n in range(17))
    with pytest.raises(UsageError, match="more than 16"):
        loaded(tmp_path, "quorum = 1\n" + tables)


PAGE = (Path(__file__).parents[4] / "docs" / "operate" / "witnesses.md").read_text(encoding="utf-8")
BEGIN, KNOW = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_the_settings_on_the_page_have_the_names_of_fields() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = msgspec.toml.decode(text, type=File)
    assert (found.quorum, len(found.witness)) == (2, 2)


async def test_the_commands_of_the_page_make_a_witness(tmp_path: Path, asking: Asking, tree: MemoryTree) -> None:
    port = free_port()
    example = re.findall(r'^vkey="([^"]+)"', KNOW, re.MULTILINE)[0]
    script = BEGIN.replace("7380", str(port)) + KNOW.replace(example, str(tree.key.vkeys[0]))
    # Started so, the programs of the page live as long as the shell does.
    folder = tmp_path / "w"
    folder.mkdir()
    environment = {
        "PATH": f"{needed().parent}:{os.environ['PATH']}",
        "GODEBUG": "httpmuxgo121=0",
        "HOME": str(tmp_path),
    }
    shell = subprocess.Popen(
        ["sh", "-euc", f"trap 'kill 0' EXIT\n{script}\necho ready\nread -r _"], cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert shell.stdout is not None
        said = "".join(itertools.takewhile(lambda line: line != "ready\n", shell.stdout))
        assert shell.poll() is None, said
        vkey = re.findall(r"^vkey=(\S+)", said, re.MULTILINE)[0]
        assert tree.key.origin in said
        with witness_server(tmp_path, before(port)) as server:
            async with asking((server, vkey)) as witnesses:
                asked = await witnesses.cosign(tree.note(), tree)
        assert [each.vkey for each in asked.cosignatures] == [vkey], asked
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
