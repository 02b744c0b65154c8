"""A store of MariaDB's accounts on real parts: what a store without versions does, and what it does not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from monoskope.errors import UnavailableError
from monoskope.settings import write_private
from monoskope.stores.shared.trust import trusting
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.mariadb import MariaDb
from tests.e2e.accounts import allow
from tests.e2e.ran import ok, refused
from tests.support.engines import AgeEngine
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen

ANNA = "anna@example.org"
USER = "m8_accounts"


@dataclass(frozen=True, slots=True)
class Accounts:
    cluster: Cluster
    anna: User
    server: MariaDb
    key: Path

    def asked(self, *words: str, **rest: Any) -> Ran:
        return self.anna.monoctl(*words, "-o", "json", **rest)

    def signed(self, *words: str, **rest: Any) -> Ran:
        return self.asked(*words, "--signing-key", str(self.key), **rest)

    def account(self, name: str) -> str:
        self.server.sql(f"CREATE USER '{name}'@'%' IDENTIFIED VIA mysql_native_password USING 'invalid'")
        return f"maria://{name}"

    def logs_in(self, name: str, password: str) -> bool:
        tls = trusting(str(self.server.ca_file))
        try:
            pymysql.connect(host="127.0.0.1", port=self.server.port, user=name, password=password, ssl=tls).close()
        except pymysql.OperationalError:
            return False
        return True


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    key = keygen(folder / "anna_key")
    line = f'{ANNA} namespaces="request@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}'
    with MariaDb() as server, QuickCluster(folder / "cluster") as cluster:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("vault")
        engine: dict[str, object] = {
            "host": f"127.0.0.1:{server.port}",
            "user": USER,
            "password_file": str(folder / "password"),
            "ca_file": str(server.ca_file),
        }
        home = cluster.make_reactor("maria", "mariadb-account", engine)
        write_private(folder / "password", b"the-reactors-own-password\n")
        server.sql(f"CREATE USER '{USER}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('the-reactors-own-password')")
        with editing(home / "reactor.toml") as table:
            table["accounts"] = {"allow": ["orders_*"]}
        server.sql(cluster.must("m8", "reactor", "policy", home.name).out)
        cluster.share_fingerprint_key("reactor-vault", home.name)
        cluster.allow_copy("vault", "maria")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        here = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "upload"]}
        copy = {"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": ["maria://"]}
        from_vault = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        there = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "compare"]}
        allow(cluster.folder / "reactor-vault", line, rules=[here, copy])
        allow(home, line, copies, rules=[from_vault, there])
        for store in ("vault", "maria"):
            cluster.add_store(store)
            cluster.start_reactor(store)
        anna = cluster.add_user("anna", prefixes=["vault://", "maria://"])
        yield Accounts(cluster, anna, server, key)


def test_what_was_generated_and_copied_logs_in_and_the_same_copy_again_changes_nothing(made: Accounts) -> None:
    account = made.account("orders_a")
    generated = ok(made.signed("generate", "secret", "vault://orders/next", "password=password:32")).json()
    copied = ok(made.signed("copy", "secret", "vault://orders/next", account)).json()
    assert copied["hash"] == generated["hash"]
    there = AgeEngine(made.cluster.folder / "reactor-vault").history("orders/next")[-1].content
    assert there is not None
    password = there["password"]
    assert made.logs_in("orders_a", password)
    changed = made.server.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'orders_a'")
    again = ok(made.signed("copy", "secret", "vault://orders/next", account, "--overwrite")).json()
    assert again["hash"] == generated["hash"]
    assert made.server.sql("SELECT Priv FROM mysql.global_priv WHERE User = 'orders_a'") == changed
    made.server.sql("FLUSH GENERAL LOGS")
    assert password not in made.server.statements.read_text(encoding="utf-8", errors="replace")
    verified = made.asked("verify", "secret", account)
    assert verified.code != 0
    assert "CANNOT_READ" in verified.out + verified.err


def test_what_a_dba_set_is_compared_and_written_over_only_by_who_says_so(made: Accounts) -> None:
    account, password = made.account("orders_b"), "set-by-hand-by-a-dba-long"
    made.server.sql(f"ALTER USER 'orders_b'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{password}')")
    equal = ("compare", "secret", account, "--from-file", "password=-")
    assert ok(made.signed(*equal, input=password.encode())).json()["outcome"] == "EQUAL"
    assert made.signed(*equal, input=b"another-password-of-24-c").code != 0
    ran = made.signed("generate", "secret", account, "password=password:32")
    assert "UPSTREAM_CHANGED" in refused(ran, ran.code)
    assert made.logs_in("orders_b", password)
    ok(made.signed("generate", "secret", account, "password=password:32", "--overwrite"))
    assert not made.logs_in("orders_b", password)


def test_nothing_here_can_be_approved(made: Accounts) -> None:
    """Nobody proposes a change, and a reactor whose entries ask for approvals does not start."""
    account = made.account("orders_c")
    words = ("password=password:32", "--propose", "--requester", ANNA)
    proposed = made.signed("generate", "secret", account, *words)
    assert "takes no approvals" in refused(proposed, proposed.code)
    home = shutil.copytree(made.cluster.folder / "reactor-maria", made.cluster.folder / "reactor-that-asks")
    write_private(home / "allowed_approvers", b"# end\n")
    asks = {"principal": ANNA, "prefixes": [""], "purposes": ["generate"], "approvals": 1}
    allow(home, rules=[asks], approvers="allowed_approvers")
    with pytest.raises(UnavailableError, match="cannot replace exactly one version"):
        made.cluster.start_reactor("maria", folder=home.name)


@pytest.mark.parametrize("name", ["root", USER, "billing"])
def test_who_is_not_allowed_is_refused_before_a_key_is_made(made: Accounts, name: str) -> None:
    ran = made.signed("generate", "secret", f"maria://{name}", "password=password:32")
    assert "outside" in refused(ran, ran.code)
