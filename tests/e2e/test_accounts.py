"""A store of accounts on real parts: what is generated in one store and copied logs in, and nobody has seen it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import UnavailableError
from monoskope.settings import write_private
from monoskope.testing.cluster import ALL_RIGHTS
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.search import Wanted
from monoskope.testing.search.memory import look_in_memory
from tests.e2e.accounts import ANNA, ROLE, Accounts, allow
from tests.e2e.ran import ok, refused
from tests.support import warm
from tests.support.absent import need_tracing
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import keygen
from tests.support.what_stays import what_stays

BEN = "ben@example.org"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    folder = tmp_path_factory.mktemp("accounts")
    key = keygen(folder / "anna_key")
    line = f'{ANNA} namespaces="request@monoskope" {" ".join(Path(f"{key}.pub").read_text().split()[:2])}'
    with (
        QuickCluster(folder / "cluster") as cluster,
        Postgres(fsync=False, settings={"log_statement": "all"}) as postgres,
    ):
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("vault")
        role: dict[str, object] = {
            "hosts": [f"127.0.0.1:{postgres.port}"],
            "user": ROLE,
            "password_file": str(folder / "password"),
            "ca_file": str(postgres.ca_file),
        }
        home = cluster.make_reactor("pg", "postgresql-account", role, accounts="orders_*")
        write_private(folder / "password", b"the-reactors-own-password\n")
        postgres.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD 'the-reactors-own-password'")
        postgres.sql(cluster.must("m8", "reactor", "policy", home.name).out)
        cluster.share_fingerprint_key("reactor-vault", home.name)
        cluster.allow_copy("vault", "pg")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-vault").out.strip()
        here = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "upload"]}
        copy = {"principal": ANNA, "prefixes": [""], "purposes": ["copy"], "destinations": ["pg://"]}
        from_vault = {"principal": "copies-from-vault", "prefixes": [""], "purposes": ["upload"]}
        there = {"principal": ANNA, "prefixes": [""], "purposes": ["generate", "compare", "delete"]}
        allow(cluster.folder / "reactor-vault", line, rules=[here, copy])
        cluster.add_store("vault")
        cluster.start_reactor("vault")
        cluster.add_store("pg")
        with pytest.raises(UnavailableError, match="serves accounts"):
            cluster.start_reactor("pg")
        asked = {"principal": ANNA, "prefixes": ["orders_p"], "purposes": ["generate"], "approvals": 1}
        approve = {"principals": [BEN], "prefixes": ["orders_p"], "purposes": ["generate"]}
        ben = keygen(folder / "ben_key")
        approver = f'{BEN} namespaces="approval@monoskope" {" ".join(Path(f"{ben}.pub").read_text().split()[:2])}'
        write_private(home / "allowed_approvers", f"{approver}\n# end\n".encode())
        rules: list[dict[str, Any]] = [from_vault, there, asked]
        allow(home, line, copies, rules=rules, approvers="allowed_approvers", approve=[approve])
        with warm.anew():  # with the allocator that overwrites what is freed
            cluster.start_reactor("pg")
        anna = cluster.add_user("anna", prefixes=["vault://", "pg://"], rights=(*ALL_RIGHTS, "propose"))
        yield Accounts(cluster, anna, postgres, key)


def test_what_was_generated_and_copied_logs_in_by_one_hash(made: Accounts) -> None:
    account = made.account("orders_a")
    generated = ok(made.signed("generate", "secret", "vault://orders/next", "password=password:32")).json()
    copied = ok(made.signed("copy", "secret", "vault://orders/next", account)).json()
    assert copied["hash"] == generated["hash"]
    password = made.in_vault("orders/next")
    assert made.logs_in("orders_a", password)
    assert password not in made.postgres.log_file.read_text(encoding="utf-8", errors="replace")
    assert ok(made.asked("verify", "secret", account)).json()["outcome"] == "IN_SYNC"
    made.postgres.sql("ALTER ROLE orders_a NOLOGIN")
    assert "DRIFTED" in made.asked("verify", "secret", account).out


def test_of_a_secret_with_more_the_password_alone_is_copied(made: Accounts) -> None:
    account = made.account("orders_e")
    ok(made.signed("generate", "secret", "vault://orders/more", "password=password:32", "token=hex"))
    refused(made.signed("copy", "secret", "vault://orders/more", account), 3)
    ok(made.signed("copy", "secret", "vault://orders/more", account, "--key", "password"))
    assert made.logs_in("orders_e", made.in_vault("orders/more"))


def test_no_password_is_left_in_the_reactors_memory(made: Accounts) -> None:
    """Neither one that was set nor a guess at one that a DBA set."""
    need_tracing()
    account, dbas = made.account("orders_d"), "set-by-hand-by-a-dba-too"
    ok(made.signed("generate", "secret", "vault://orders/kept", "password=password:32"))
    ok(made.signed("copy", "secret", "vault://orders/kept", account))
    password = made.in_vault("orders/kept")
    made.postgres.sql(f"ALTER ROLE orders_d PASSWORD '{dbas}'")
    ok(made.signed("compare", "secret", account, "--from-file", "password=-", input=dbas.encode()))
    pid = made.cluster.reactors["reactor-pg"].pid
    assert pid is not None
    wanted = [Wanted.of("copied", password.encode()), Wanted.of("compared", dbas.encode())]

    def left() -> list[str]:
        found = look_in_memory(pid, [*wanted, Wanted.of("role", b"orders_d")])
        assert found.searched, found.reason
        assert found.total("role") > 0
        return [one.name for one in wanted if found.total(one.name)]

    assert what_stays(left) == []


def test_what_a_dba_set_by_hand_is_compared_and_nobody_puts_what_they_know(made: Accounts) -> None:
    account, password = made.account("orders_b"), "set-by-hand-by-a-dba-long"
    ok(made.signed("generate", "secret", account, "password=password:32"))
    made.postgres.sql(f"ALTER ROLE orders_b PASSWORD '{password}'")
    equal = ("compare", "secret", account, "--from-file", "password=-")
    assert ok(made.signed(*equal, input=password.encode())).json()["outcome"] == "EQUAL"
    other = made.signed(*equal, input=b"another-password-of-24-c")
    assert other.code != 0
    assert "password" in other.out
    put = made.signed("put", "secret", account, "--overwrite", "--from-file", "password=-", input=b"x" * 24)
    assert "NOT_AUTHORIZED" in refused(put, put.code)
    assert made.logs_in("orders_b", password)


@pytest.mark.parametrize("name", ["postgres", ROLE, "billing"])
def test_who_is_not_allowed_is_refused_before_a_key_is_made(made: Accounts, name: str) -> None:
    ran = made.signed("generate", "secret", f"pg://{name}", "password=password:32")
    assert "outside" in refused(ran, ran.code)


def test_an_approval_is_of_the_state_that_was_there(made: Accounts) -> None:
    """What a role's version tells is enough to hold a change to it: here an account can be approved."""
    account = made.account("orders_p")
    ben = made.cluster.add_user("ben", prefixes=["pg://orders_p"], rights=("approve",))
    ran = made.signed("generate", "secret", account, "password=password:32")
    assert "NOT_AUTHORIZED" in refused(ran, ran.code)

    def execute(meanwhile: str) -> Ran:
        words = ("password=password:32", "--propose", "--requester", ANNA)
        change = ok(made.signed("generate", "secret", account, *words)).json()
        named = (change["change_id"], "--sha256", change["sha256"], "-o", "json")
        ok(ben.monoctl("approve", *named, "--signing-key", str(made.key.parent / "ben_key")))
        made.postgres.sql(meanwhile)
        return made.signed("run", "change", *named[:-2])

    assert ok(execute("SELECT 1")).json()["approvers"][0]["principal"] == BEN
    late = execute("ALTER ROLE orders_p PASSWORD 'set-by-hand-by-a-dba-p'")
    assert "CONFLICT" in refused(late, late.code)
    assert made.logs_in("orders_p", "set-by-hand-by-a-dba-p")


@pytest.mark.parametrize(
    ("name", "done", "said"),
    [
        ("orders_c", "DROP ROLE orders_c", "the database has no such role"),
        ("orders_f", "ALTER ROLE orders_f SUPERUSER", "this role has rights that no account may have"),
    ],
)
def test_why_a_role_is_no_account_any_more_is_told(made: Accounts, name: str, done: str, said: str) -> None:
    account = made.account(name)
    ok(made.signed("generate", "secret", account, "password=password:32"))
    made.postgres.sql(done)
    ran = made.signed("generate", "secret", account, "password=password:32")
    assert said in refused(ran, ran.code)
