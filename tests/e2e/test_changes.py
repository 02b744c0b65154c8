"""Changes that take approvals, as people's commands on real parts: two stores, anna who asks, and ben who approves."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from monoskope.monoctl.input import completion
from monoskope.settings import write_private
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.parts import program, wait_until
from monoskope.testing.search import Wanted, look_below
from monoskope.testing.search.memory import look_in_memory
from tests.e2e.ran import inside, ok, refused
from tests.leaks.looking import must_be_able_to_look
from tests.support import warm
from tests.support.completing import completed
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen, shown
from tests.unit.monoctl.on_terminal import CTRL_C, converse

ANNA, BEN = "anna@example.org", "ben@example.org"
VALUE = b"correct horse battery staple"
WRITES = ["upload", "patch", "delete", "undelete", "rollback", "generate"]
STORES = ("vault", "local")
RIGHTS = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "propose")


@dataclass(frozen=True, slots=True)
class World:
    cluster: Cluster
    anna: User
    ben: User
    keys: dict[str, Path]

    def ask(self, *words: str, value: bytes = VALUE, user: User | None = None) -> Ran:
        return inside(user or self.anna, *words, "-o", "json", stdin=value)

    def propose(self, *words: str, value: bytes = VALUE) -> dict[str, Any]:
        found: dict[str, Any] = ok(self.ask(*words, "--propose", "--requester", ANNA, value=value)).json()
        return found

    def propose_put(self, uri: str, *words: str) -> dict[str, Any]:
        return self.propose("put", "secret", uri, "--from-file", "password=-", *words)

    def approve(self, change: dict[str, Any]) -> Ran:
        return self.ask("approve", change["change_id"], "--sha256", change["sha256"], user=self.ben)

    def execute(self, change: dict[str, Any], *words: str, value: bytes = VALUE) -> Ran:
        named = [f"--from-file={key}=-" for key in change["keys"]]
        return self.ask("run", "change", change["change_id"], "--sha256", change["sha256"], *named, *words, value=value)

    def approved(self, *words: str, value: bytes = VALUE) -> dict[str, Any]:
        """Propose, approve and execute; return what the receipt says."""
        change = self.propose(*words, value=value)
        ok(self.approve(change))
        done: dict[str, Any] = ok(self.execute(change, value=value)).json()
        assert done["change_sha256"] == change["sha256"]
        assert done["approvers"] == [{"principal": BEN, "key": shown(self.keys["ben"])}]
        return done

    def put(self, uri: str) -> None:
        self.approved("put", "secret", uri, "--from-file", "password=-")

    def found(self, uri: str) -> dict[str, Any]:
        """The only change that is open for a secret, as ben sees it; {} for none yet."""
        changes = ok(self.ask("get", "changes", uri, "--waiting", user=self.ben)).json()
        return dict(changes[0]) if changes else {}

    @contextmanager
    def waiting(self, uri: str, *words: str) -> Iterator[tuple[dict[str, Any], Future[Ran]]]:
        """Let anna's put wait for approvals in a process of its own. Yields the change, and what comes of the put."""
        put = ("put", "secret", uri, "--from-file", "password=-", "--propose", "--requester", ANNA, "-o", "json")
        with ThreadPoolExecutor(1) as one:
            end = one.submit(self.anna.monoctl, *put, "--wait", "1h", *words, input=VALUE)
            wait_until(lambda: bool(self.found(uri)) or end.done(), what="it is proposed")
            assert not end.done(), end.result().err
            yield self.found(uri), end

    def upstream(self, path: str) -> dict[str, str] | None:
        """What OpenBao's own command line reads, None for nothing."""
        read = ("kv", "get", f"-mount={MOUNT}", "-format=json", "-field=data", f"{PREFIX}/{path}")
        ran = self.cluster.run_bao(*read)
        return None if ran.code else dict(ran.json())


def listed(namespace: str, *people: tuple[str, Path], more: str = "") -> bytes:
    lines = [
        f'{name} namespaces="{namespace}@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}\n'
        for name, key in people
    ]
    return "".join([*lines, more, "# end\n"]).encode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("changes")
    keys = {name: keygen(folder / name) for name in ("anna", "ben")}
    with QuickCluster(folder / "cluster") as cluster:
        with warm.anew():  # a test looks into its memory
            cluster.start_m8()
        cluster.start_openbao()
        cluster.make_vault_reactor("vault", readable=True)
        cluster.make_local_reactor("local")
        cluster.share_fingerprint_key("reactor-vault", "reactor-local")
        cluster.allow_copy("vault", "local", source="prod", destination="copies")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        for store in STORES:
            _ask_for_approvals(cluster.folder / f"reactor-{store}", keys, f"{copies}\n" if store == "local" else "")
            cluster.add_store(store)
            cluster.start_reactor(store)
        prefixes = [f"{store}://{team}" for store in STORES for team in ("prod", "copies")]
        anna = cluster.add_user("anna", prefixes=prefixes, rights=RIGHTS)
        ben = cluster.add_user("ben", prefixes=prefixes, rights=("approve",))
        for user in (anna, ben):
            with editing(user.home / ".config/monoskope/config.toml") as table:
                table["signing_key"] = str(keys[user.name])
        yield World(cluster, anna, ben, keys)


def _ask_for_approvals(home: Path, keys: dict[str, Path], copies: str) -> None:
    """Write a reactor's lists and entries, as docs/operate/approvals.md says."""
    write_private(home / "allowed_signers", listed("request", (ANNA, keys["anna"]), more=copies), replace=True)
    write_private(home / "allowed_approvers", listed("approval", (BEN, keys["ben"])), replace=True)
    may: list[dict[str, object]] = [{"principal": ANNA, "prefixes": ["prod"], "purposes": WRITES, "approvals": 1}]
    if copies:
        may.append({"principal": "copies-from-vault", "prefixes": ["copies"], "purposes": ["upload"]})
    else:
        copy = {"principal": ANNA, "prefixes": ["prod"], "purposes": ["copy"], "approvals": 1}
        may.append(copy | {"destinations": ["local://copies"]})
    with editing(home / "reactor.toml") as table:
        lists = {"file": "allowed_signers", "revoked": "revoked_keys", "approvers": "allowed_approvers"}
        approve = {"principals": [BEN], "prefixes": ["prod"], "purposes": [*WRITES, "copy"]}
        table["signers"] = lists | {"unsigned": ["verify"], "may": may, "approve": [approve]}
        table["timings"] = {"linger": 0.0}


def test_every_command_that_writes_is_proposed_approved_and_executed(world: World) -> None:
    uri = "vault://prod/all"
    assert world.approved("put", "secret", uri, "--from-file", "password=-")["outcome"] == "UPLOADED"
    world.approved("patch", "secret", uri, "--from-file", "user=-", value=b"anna")
    assert world.upstream("prod/all") == {"password": VALUE.decode(), "user": "anna"}
    assert world.approved("rollback", "secret", uri, "--to", "1")["outcome"] == "ROLLED_BACK"
    assert world.upstream("prod/all") == {"password": VALUE.decode()}
    assert world.approved("delete", "secret", uri)["outcome"] == "DELETED"
    assert world.upstream("prod/all") is None
    assert world.approved("undelete", "secret", uri)["outcome"] == "UNDELETED"
    world.approved("generate", "secret", "vault://prod/made", "--kind", "password")
    assert set(world.upstream("prod/made") or ()) == {"password"}
    assert world.approved("copy", "secret", uri, "local://copies/all")["outcome"] == "UPLOADED"


def test_a_put_that_is_refused_prints_the_line_that_proposes_it(world: World) -> None:
    uri = "vault://prod/refused"
    words = ("put", "secret", uri, "--from-file", "password=-")
    ran = inside(world.anna, *words, stdin=VALUE)
    assert ran.code == 17
    assert "The store asks for up to 1 approval here" in ran.err
    [line] = re.findall(r"to propose it: (.*)", ran.err)
    assert world.upstream("prod/refused") is None
    assert "config set requester" in inside(world.anna, *shlex.split(line)[1:], stdin=VALUE).err
    proposed = ok(inside(world.anna, *shlex.split(line)[1:], stdin=VALUE, environment={"MONOCTL_REQUESTER": ANNA}))
    assert "nothing is written yet" in proposed.err
    world.put(uri)
    # From now on a receipt says how the store calls her: the line needs nothing more.
    [line] = re.findall(r"to propose it: (.*)", inside(world.anna, *words, "--overwrite", stdin=b"other").err)
    ok(inside(world.anna, *shlex.split(line)[1:], stdin=b"other"))
    assert world.found(uri)["requester"] == ANNA


def test_what_was_done_says_who_approved_and_stays_proven_in_the_list(world: World) -> None:
    uri = "vault://prod/shown"
    change = world.propose_put(uri, "--reason", "quarterly rotation")
    ok(world.approve(change))
    words = ("--sha256", change["sha256"], "--from-file", "password=-")
    ran = ok(inside(world.anna, "run", "change", change["change_id"], *words, stdin=VALUE))
    approved = f"approved by {BEN} ({shown(world.keys['ben'])})"
    assert approved in ran.err
    described = ok(inside(world.anna, "describe", "change", change["change_id"])).out
    assert f"a receipt of the pinned identity proves it; {approved}" in described
    assert "quarterly rotation" in described
    [seen] = ok(world.ask("get", "changes", uri)).json()
    assert (seen["state"], seen["done"], seen["proven"], seen["why_not_proven"]) == ("DONE", True, True, "")
    assert approved in ok(inside(world.anna, "get", "upload", seen["request_id"])).err
    # Once something else was written, the request still says it.
    world.approved("delete", "secret", uri)
    described = ok(inside(world.anna, "describe", "change", change["change_id"])).out
    assert f"see `monoctl get upload {seen['request_id']}`" in described


def test_a_put_waits_and_goes_on_by_itself_once_ben_has_agreed_on_his_terminal(world: World) -> None:
    uri = "vault://prod/waits"
    with world.waiting(uri) as (change, end):
        home = {"HOME": str(world.ben.home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
        approve = [program("monoctl"), "approve", change["change_id"]]
        assert converse(approve, [("Approve exactly this", b"\n")], home).code == 2
        assert not world.found(uri)["approvals"]
        assert converse(approve, [("Approve exactly this", b"y\n")], home).code == 0
        done = ok(end.result()).json()
    assert [one["principal"] for one in done["approvers"]] == [BEN]
    assert world.upstream("prod/waits") == {"password": VALUE.decode()}


def _withdraw(world: World, change: dict[str, Any]) -> None:
    ok(world.ask("withdraw", change["change_id"]))


def _decline(world: World, change: dict[str, Any]) -> None:
    ok(world.ask("decline", change["change_id"], "--reason", "not on a Friday", user=world.ben))


def _overtake(world: World, change: dict[str, Any]) -> None:
    world.put(change["uri"])


@pytest.mark.parametrize(
    ("happens", "code", "said"),
    [(_decline, 3, "not on a Friday"), (_withdraw, 3, "anna withdrew"), (_overtake, 6, "was overtaken")],
)
def test_what_ends_a_change_ends_the_wait(
    world: World, happens: Callable[[World, dict[str, Any]], None], code: int, said: str
) -> None:
    uri = f"vault://prod/{happens.__name__.strip('_')}"
    with world.waiting(uri) as (change, end):
        happens(world, change)
        assert said in refused(end.result(), code)
    # What m8 says then is what `run change` says, too; and nobody approves it any more.
    assert said in refused(world.execute(change), code)
    assert said in refused(world.approve(change), code)


def test_a_wait_or_a_change_that_is_over_ends_with_8(world: World) -> None:
    uri = "vault://prod/over"
    assert "time to wait" in refused(world.execute(world.propose_put(uri), "--wait", "1s"), 8)
    change = world.propose_put(uri, "--for", "1s")
    wait_until(lambda: "is over" in world.execute(change).err, what="the change is over")
    assert refused(world.execute(change), 8)
    assert refused(world.approve(change), 8)
    assert world.upstream("prod/over") is None


def test_too_few_approvals_are_refused_and_it_can_be_executed_once_they_are_there(world: World) -> None:
    uri = "vault://prod/few"
    change = world.propose_put(uri)
    assert "none was sent" in refused(world.execute(change), 17)
    refused(world.ask("approve", change["change_id"], "--sha256", change["sha256"]), 3)  # her own
    assert world.upstream("prod/few") is None
    ok(world.approve(change))
    ok(world.execute(change))
    refused(world.execute(change), 11)


def test_ctrl_c_while_it_waits_leaves_the_change_and_run_change_finishes_it(world: World) -> None:
    uri = "vault://prod/cut"
    home = {"HOME": str(world.anna.home), "PATH": "/usr/bin:/bin", "TERM": "dumb"}
    put = ("put", "secret", uri, "--from-file", "password=-", "--propose", "--requester", ANNA, "--wait", "1h")
    cut = converse([program("monoctl"), *put], [("waiting for more", CTRL_C)], home, stdin=VALUE)
    assert cut.code == 130
    change = world.found(uri)
    assert f"nothing was sent. Change {change['change_id']} stays proposed." in " ".join(cut.shown.split())
    assert VALUE.decode() not in cut.shown
    run = ("run", "change", change["change_id"], "--sha256", change["sha256"], "--from-file", "password=-")
    again = converse([program("monoctl"), *run, "--wait", "1h"], [("waiting for more", CTRL_C)], home, stdin=VALUE)
    assert again.code == 130
    ok(world.approve(change))
    ok(world.execute(change))
    assert world.upstream("prod/cut") == {"password": VALUE.decode()}


def test_an_m8_that_goes_away_and_comes_back_loses_nothing(world: World) -> None:
    uri = "vault://prod/away"
    with world.waiting(uri) as (change, end):
        world.cluster.m8.kill()
        with warm.anew():
            world.cluster.start_m8()
        ok(world.approve(change))
        wait_until(lambda: all(world.cluster.attached(store) for store in STORES), what="the reactors are back")
        assert ok(end.result()).json()["change_sha256"] == change["sha256"]


def test_a_login_that_ends_in_the_wait_leaves_the_change_and_the_next_one_goes_on(world: World) -> None:
    uri = "vault://prod/login"
    with world.waiting(uri) as (change, end):
        issued = world.cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
        for token in [one["id"] for one in issued if one["subject"] == "anna"]:
            world.cluster.must("m8", "token", "revoke", "--dir", "m8", token)
        ok(world.approve(change))
        message = refused(end.result(), 10)
    assert f"Nothing was written; change {change['change_id']} stays proposed." in message
    assert "monoctl run change" in json.loads(end.result().err.splitlines()[-1])["error"]["fix"]
    assert world.upstream("prod/login") is None
    world.anna.token_file.unlink()
    words = [word for prefix in ("vault://prod", "local://prod", "local://copies") for word in ("--prefix", prefix)]
    words += [word for right in RIGHTS for word in ("--right", right)]
    world.cluster.make_token("anna", "--role", "user", *words, out=world.anna.token_file)
    ok(world.execute(change))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--reason", "no\u202eyes"), 2, "direction of text"),
        (("--reason", "x" * 501), 2, "500"),
        (("--for", "8d"), 2, "168 hours"),
        (("--overwrite",), 2, "one version"),
        (("--from-json", "-"), 2, "8,192"),
    ],
)
def test_what_cannot_become_anything_is_refused_before_anybody_is_asked(
    world: World, words: tuple[str, ...], code: int, said: str
) -> None:
    uri = "vault://prod/never"
    sources = words if "--from-json" in words else ("--from-file", "password=-", *words)
    put = ("put", "secret", uri, *sources, "--propose", "--requester", ANNA)
    many = json.dumps({f"{number:0200}": "x" for number in range(45)}).encode()
    assert said in refused(world.ask(*put, value=many), code)
    assert world.found(uri) == {}


def test_an_edit_that_no_store_signs_says_so(world: World) -> None:
    for words in (("label", "secret", "vault://prod/all", "a=b"), ("expire", "secret", "vault://prod/all", "90d")):
        assert "no store signs" in refused(world.ask(*words, "--propose", "--reason", "why"), 2)


def test_ids_of_open_changes_are_completed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    change = world.propose_put("vault://prod/completed")
    monkeypatch.setattr(completion, "SECONDS", 60.0)
    monkeypatch.setenv("HOME", str(world.ben.home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for command in ("approve", "decline", "describe change"):
        assert change["change_id"] in completed(f"monoctl {command} ", monkeypatch)


def test_z_no_value_of_all_these_is_in_m8(world: World) -> None:
    """Of those that were proposed, approved, declined, cut and put: m8 has the paths, and no value."""
    pid = world.cluster.m8.pid
    assert pid is not None
    must_be_able_to_look(pid)
    ok(world.ask("get", "changes", "vault://prod/cut"))
    wanted = [Wanted.of("value", VALUE), Wanted.of("path", b"vault://prod/cut")]
    found = [look_in_memory(pid, wanted, place="memory"), *look_below(world.cluster.folder / "m8", wanted)]
    assert [one.place for one in found if not one.searched or one.total("value")] == []
    assert {"memory", "log.db"} <= {one.place for one in found if one.total("path")}
