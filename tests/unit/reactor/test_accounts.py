"""A reactor whose secrets are accounts: what its settings must say before it starts, and what they let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

from monoskope.errors import UsageError
from monoskope.reactor import cli
from monoskope.reactor.settings import ReactorSettings, read
from monoskope.settings import write_private
from monoskope.uri import SecretUri

ENGINE = {"type": "postgresql-account", "hosts": ["db:5432"], "user": "m8_accounts", "password_file": "password"}
SIGNERS = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"]}
UPLOADS = {"prefixes": [""], "purposes": ["upload"]}


def written(
    folder: Path, *, allow: list[str] | None = None, signers: dict[str, Any] | None = None, **more: Any
) -> Path:
    table: dict[str, Any] = {"server": "m8:1", "ca_file": "ca.crt", "store": "pg", "prefixes": [""], "engine": ENGINE}
    table |= {"accounts": {"allow": allow or ["orders_*"]}} | more
    table |= {"signers": signers} if signers is not None else {}
    for name in ("allowed_signers", "revoked_keys"):
        write_private(folder / name, b"# end\n", replace=True)
    write_private(
        folder / "reactor.toml",
        tomli_w.dumps({name: value for name, value in table.items() if value is not None}).encode(),
        replace=True,
    )
    return folder


def of(folder: Path, **changes: Any) -> ReactorSettings:
    return read(written(folder, **changes))


@pytest.mark.parametrize(
    ("allow", "name", "is_allowed"),
    [
        (["orders_*"], "orders_a", True),
        (["orders_*"], "orders_", True),
        (["orders_*"], "xorders_a", False),
        (["orders_*"], "orders", False),
        (["orders_*"], "orders_a/b", False),
        (["orders.a"], "orders_a", False),
        (["a*z", "b"], "a.-_z", True),
        (["a*z", "b"], "b", True),
        (["a*z", "b"], "bb", False),
    ],
)
def test_only_accounts_that_are_allowed_are_served(
    tmp_path: Path, allow: list[str], name: str, *, is_allowed: bool
) -> None:
    assert of(tmp_path, allow=allow).allows(SecretUri.parse(f"pg://{name}")) is is_allowed


def test_prefixes_hold_besides(tmp_path: Path) -> None:
    assert not of(tmp_path, prefixes=["orders_b"]).allows(SecretUri.parse("pg://orders_a"))


@pytest.mark.parametrize("allow", [[], [""], ["*"], ["*_orders"], ["orders_%"], ["orders_*$|.*"], ["a b"]])
def test_a_list_that_names_everybody_or_is_no_list_of_names_is_refused(tmp_path: Path, allow: list[str]) -> None:
    with pytest.raises(UsageError, match="`allow`"):
        of(tmp_path, accounts={"allow": allow})


def test_accounts_and_their_table_belong_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a table \\[accounts\\] belongs to"):
        of(tmp_path, accounts=None)
    with pytest.raises(UsageError, match="a table \\[accounts\\] belongs to"):
        of(tmp_path, engine={"type": "age", "folder": "/x", "recipients": ["age1x"]})


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        (None, "lets m8 do anything without a signature"),
        (SIGNERS | {"unsigned": ["generate"]}, "lets m8 generate without a signature"),
        (SIGNERS | {"unsigned": ["verify", "delete", "upload"]}, "lets m8 delete, upload without a signature"),
    ],
)
def test_without_signatures_for_all_that_writes_it_does_not_start(
    tmp_path: Path, signers: dict[str, Any] | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        of(tmp_path, signers=signers).check_accounts()
    checked = CliRunner().invoke(cli._group, ["check", str(tmp_path)])
    assert isinstance(checked.exception, UsageError)
    assert said in checked.exception.message
    of(tmp_path, signers=SIGNERS | {"unsigned": ["verify", "compare", "list", "import"]}).check_accounts()


def test_the_check_names_who_could_put_a_password_that_they_know(tmp_path: Path) -> None:
    may = [
        UPLOADS | {"principal": "anna@example.org", "prefixes": ["orders_a"]},
        UPLOADS | {"principal": "copies-from-vault"},
        {"principal": "rotation@example.org", "prefixes": [""], "purposes": ["generate", "delete"]},
    ]

    def check(*rules: dict[str, Any]) -> str:
        file = written(tmp_path, signers=SIGNERS | {"may": may}, rules=[*rules])
        return CliRunner().invoke(cli._group, ["check", str(file)]).output

    said = check()
    assert "Accounts: orders_*\n" in said
    assert "Warning: anna@example.org may put a password that it knows at orders_a.\n" in said
    assert "Whether anybody knows what is copied from vault at all paths, the rules of vault say\n" in said
    assert "Warning: rotation@example.org may generate a password that it knows, as `fixed`, at all paths." in said
    made = {"name": "made", "prefixes": [""], "generated": True}
    for bad in (made | {"keys": ["url"]}, made | {"prefixes": ["orders_a"]}):
        assert "Warning: rotation@example.org" in check(bad)
    assert "Warning: rotation@example.org" not in check(made | {"keys": ["password"]})


def test_the_policy_lists_what_is_allowed_and_needs_no_signers(tmp_path: Path) -> None:
    printed = CliRunner().invoke(cli._group, ["policy", str(written(tmp_path, allow=["orders_*", "b.c"]))]).output
    assert printed.count("'^(orders_[A-Za-z0-9._-]*|b[.]c)$'") == 1
    assert printed.count("SECURITY DEFINER SET search_path = pg_catalog, pg_temp") == 2
    assert "\\." not in printed
    assert "'^(SCRAM" in printed
    deletable = written(tmp_path, engine=ENGINE | {"deletable": True})
    assert "'^(|SCRAM" in CliRunner().invoke(cli._group, ["policy", str(deletable)]).output
