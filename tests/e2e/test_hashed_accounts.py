"""Stores of accounts that keep a hash alone, on real parts: what a store without versions does, and does not do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pymysql
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monoskope.errors import UnavailableError
from monoskope.settings import write_private
from monoskope.stores.shared.trust import trusting
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.mariadb import MariaDb
from monoskope.testing.engines.rabbitmq import RabbitMq
from monoskope.testing.engines.redis import Redis
from tests.e2e.accounts import allow
from tests.e2e.ran import ok, refused
from tests.support.engines import AgeEngine
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen

ANNA = "anna@example.org"
USER = "m8_accounts"
OWN = "the-reactors-own-password"


class Engine(Protocol):
    """What its administrator does and sees."""

    kind: str
    own: str
    """An account that no store may have."""

    def __init__(self, parts: ExitStack) -> None:
        """Start it, for as long as `parts` are open."""

    def settings(self) -> dict[str, Any]:
        """The fields of `[engine]` by which it is found."""

    def run(self, commands: str) -> str:
        """Run what `m8 reactor policy` prints."""

    def create(self, name: str, password: str | None) -> None:
        """Make an account with a password, or None for one that lets nobody in."""

    def logs_in(self, name: str, password: str) -> bool:
        """Whether a program gets in."""

    def kept(self, name: str) -> str:
        """What is there, with a time of the last change if it has one."""

    def logs(self) -> str:
        """All that it logged."""


class Maria:
    kind = "mariadb-account"
    own = "root"

    def __init__(self, parts: ExitStack) -> None:
        self.server = parts.enter_context(MariaDb())
        self.run(f"CREATE USER '{USER}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{OWN}')")

    def settings(self) -> dict[str, Any]:
        return {"host": f"127.0.0.1:{self.server.port}", "ca_file": str(self.server.ca_file)}

    def run(self, commands: str) -> str:
        return self.server.sql(commands)

    def create(self, name: str, password: str | None) -> None:
        login = "mysql_native_password USING 'invalid'" if password is None else f"ed25519 USING PASSWORD('{password}')"
        self.run(f"CREATE USER '{name}'@'%' IDENTIFIED VIA {login}")

    def logs_in(self, name: str, password: str) -> bool:
        tls = trusting(str(self.server.ca_file))
        try:
            pymysql.connect(host="127.0.0.1", port=self.server.port, user=name, password=password, ssl=tls).close()
        except pymysql.OperationalError:
            return False
        return True

    def kept(self, name: str) -> str:
        return self.run(f"SELECT Priv FROM mysql.global_priv WHERE User = '{name}'")

    def logs(self) -> str:
        self.run("FLUSH GENERAL LOGS")
        return self.server.statements.read_text(encoding="utf-8", errors="replace")


class Cache:
    """A Redis of two nodes."""

    kind = "redis-account"
    own = "default"

    def __init__(self, parts: ExitStack) -> None:
        primary = parts.enter_context(Redis())
        self.nodes = (primary, parts.enter_context(Redis(primary)))
        self.run(f"ACL SETUSER {USER} on >{OWN}")

    def settings(self) -> dict[str, Any]:
        return {"nodes": [f"127.0.0.1:{node.port}" for node in self.nodes], "ca_file": str(self.nodes[1].trusted)}

    def run(self, commands: str) -> str:
        return "".join(node.run(commands) for node in self.nodes)

    def create(self, name: str, password: str | None) -> None:
        self.run(f"ACL SETUSER {name} on +acl|whoami {'' if password is None else f'>{password}'}")

    def logs_in(self, name: str, password: str) -> bool:
        [found] = {self._lets_in(node, name, password) for node in self.nodes}
        return found

    def _lets_in(self, node: Redis, name: str, password: str) -> bool:
        tls: dict[str, Any] = {"ssl": True, "ssl_ca_certs": str(node.trusted)}
        once = Retry(NoBackoff(), 0)
        with redis.Redis(
            host="127.0.0.1", port=node.port, username=name, password=password, retry=once, **tls
        ) as client:
            try:
                return bool(client.acl_whoami())
            except redis.AuthenticationError:
                return False

    def kept(self, name: str) -> str:
        return self.run(f"ACL GETUSER {name}")

    def logs(self) -> str:
        return self.run("SLOWLOG GET 100000") + "".join(node.log_file.read_text() for node in self.nodes)


class Rabbit:
    """Users of RabbitMQ."""

    kind = "rabbitmq-account"
    own = "guest"

    def __init__(self, parts: ExitStack) -> None:
        self.server = parts.enter_context(RabbitMq())
        self.logs_in = self.server.logs_in
        self.create(USER, OWN)

    def settings(self) -> dict[str, Any]:
        return {"address": f"https://127.0.0.1:{self.server.port}", "ca_file": str(self.server.ca_file)}

    def run(self, commands: str) -> str:
        return self.server.shell(commands)

    def create(self, name: str, password: str | None) -> None:
        self.server.put_user(name, **({} if password is None else {"password": password}))

    def kept(self, name: str) -> str:
        return str(self.server.api("GET", f"users/{name}"))

    def logs(self) -> str:
        return self.server.logged().decode(errors="replace")


@dataclass(frozen=True, slots=True)
class Accounts:
    cluster: Cluster
    anna: User
    engine: Engine
    key: Path

    def asked(self, *words: str, **rest: Any) -> Ran:
        return self.anna.monoctl(*words, "-o", "json", **rest)

    def signed(self, *words: str, **rest: Any) -> Ran:
        return self.asked(*words, "--signing-key", str(self.key), **rest)

    def account(self, name: str, password: str | None = None) -> str:
        self.engine.create(name, password)
        return f"accounts://{name}"


@pytest.fixture(scope="module", params=[Maria, Cache, Rabbit], ids=lambda kind: kind.kind)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    key = keygen(folder / "anna_key")
    line = f'{ANNA} namespaces="request@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}'
    with ExitStack() as parts:
        engine: Engine = request.param(parts)
        cluster = parts.enter_context(QuickCluster(folder / "cluster"))
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("vault")
        write_private(folder / "password", f"{OWN}\n".encode())
        found = engine.settings() | {"user": USER, "password_file": str(folder / "password")}
        home = cluster.make_reactor("accounts", engine.kind, found, accounts="orders_*")
        engine.run(cluster.must("m8", "reactor", "policy", home.name).out)
        cluster.share_fingerprint_key("reactor-vault", home.name)
        cluster.allow_copy("vault", "accounts")
        cluster.allow_copy("vault", "vault", source="turns", destination="turns")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        here = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "compare", "upload"]}
        to = ["accounts://", "vault://turns"]
        copy = {"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": to}
        from_vault = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        there = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "compare"]}
        allow(cluster.folder / "reactor-vault", line, copies, rules=[here, copy, from_vault])
        allow(home, line, copies, rules=[from_vault, there])
        for store in ("vault", "accounts"):
            cluster.add_store(store)
            cluster.start_reactor(store)
        anna = cluster.add_user("anna", prefixes=["vault://", "accounts://"])
        yield Accounts(cluster, anna, engine, key)


def test_what_was_generated_and_copied_logs_in_and_the_same_copy_again_changes_nothing(made: Accounts) -> None:
    account = made.account("orders_a")
    generated = ok(made.signed("generate", "secret", "vault://orders/next", "password=password:32")).json()
    copied = ok(made.signed("copy", "secret", "vault://orders/next", account)).json()
    assert copied["hash"] == generated["hash"]
    there = AgeEngine(made.cluster.folder / "reactor-vault").history("orders/next")[-1].content
    assert there is not None
    password = there["password"]
    assert made.engine.logs_in("orders_a", password)
    changed = made.engine.kept("orders_a")
    again = ok(made.signed("copy", "secret", "vault://orders/next", account, "--overwrite")).json()
    assert again["hash"] == generated["hash"]
    assert made.engine.kept("orders_a") == changed
    assert password not in made.engine.logs()
    verified = made.asked("verify", "secret", account)
    assert verified.code != 0
    assert "CANNOT_READ" in verified.out + verified.err


def test_what_a_dba_set_is_compared_and_written_over_only_by_who_says_so(made: Accounts) -> None:
    password = "set-by-hand-by-a-dba-long"
    account = made.account("orders_b", password)
    equal = ("compare", "secret", account, "--from-file", "password=-")
    assert ok(made.signed(*equal, input=password.encode())).json()["outcome"] == "EQUAL"
    assert made.signed(*equal, input=b"another-password-of-24-c").code != 0
    ran = made.signed("generate", "secret", account, "password=password:32")
    assert "UPSTREAM_CHANGED" in refused(ran, ran.code)
    assert made.engine.logs_in("orders_b", password)
    ok(made.signed("generate", "secret", account, "password=password:32", "--overwrite"))
    assert not made.engine.logs_in("orders_b", password)


def test_nothing_here_can_be_approved(made: Accounts) -> None:
    """Nobody proposes a change, and a reactor whose entries ask for approvals does not start."""
    account = made.account("orders_c")
    words = ("password=password:32", "--propose", "--requester", ANNA)
    proposed = made.signed("generate", "secret", account, *words)
    assert "takes no approvals" in refused(proposed, proposed.code)
    home = shutil.copytree(made.cluster.folder / "reactor-accounts", made.cluster.folder / "reactor-that-asks")
    write_private(home / "allowed_approvers", b"# end\n")
    asks = {"principal": ANNA, "prefixes": [""], "purposes": ["generate"], "approvals": 1}
    allow(home, rules=[asks], approvers="allowed_approvers")
    with pytest.raises(UnavailableError, match="cannot replace exactly one version"):
        made.cluster.start_reactor("accounts", folder=home.name)


def test_who_is_not_allowed_is_refused_before_a_key_is_made(made: Accounts) -> None:
    for name in (made.engine.own, USER, "billing"):
        ran = made.signed("generate", "secret", f"accounts://{name}", "password=password:32")
        assert "outside" in refused(ran, ran.code)


def test_accounts_take_turns_although_nobody_can_verify_them(made: Accounts) -> None:
    accounts = [word for name in ("orders_x", "orders_y") for word in ("--account", made.account(name))]

    def rotate(*words: str, later_s: int) -> tuple[str, str]:
        """Return the live account and its password once a round is over; it logs in."""
        shifted = {"MONOSKOPE_FAILPOINTS": f"m8.clock=shift+{later_s}"}
        ran = made.signed("rotate", "secret", "vault://turns/db", *accounts, *words, environment=shifted)
        there = AgeEngine(made.cluster.folder / "reactor-vault").history("turns/db")[-1].content
        assert there is not None
        assert ok(ran).json()["account"] == f"accounts://{there['username']}"
        assert made.engine.logs_in(there["username"], there["password"])
        return there["username"], there["password"]

    first = rotate("--adopt", later_s=1)
    assert rotate("--force", later_s=300)[0] != first[0]
    assert made.engine.logs_in(*first)
    third = rotate("--force", later_s=600)
    assert third[0] == first[0]
    assert not made.engine.logs_in(*first)
    assert third[1] not in made.engine.logs()
