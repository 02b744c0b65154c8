"""`m8 reactor init`: the engine's settings are given or asked for, checked, and never guessed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import UsageError
from monoskope.reactor import cli, engine_table
from monoskope.reactor import settings as reactor_settings
from monoskope.stores import registry
from monoskope.stores.driver import PLACEHOLDER
from tests.unit.reactor.commands import GIVEN, ends, init, process
from tests.unit.reactor.commands import given as words_for

ADDRESS = "address=https://bao.example:8200"
ROLE = "auth.role_id=12345"


def new(kind: str, *given: str, ask: engine_table.Ask | None = None, folder: Path = Path("/r")) -> dict[str, Any]:
    return engine_table.new(registry.find(kind), folder, given, ask)


@pytest.mark.parametrize("kind", GIVEN)
def test_no_setting_that_only_an_administrator_knows_is_guessed(kind: str) -> None:
    for missing in GIVEN[kind]:
        with pytest.raises(UsageError, match="is missing") as refused:
            new(kind, *(one for one in GIVEN[kind] if one != missing))
        assert refused.value.fix == f"Give it: --set {missing.partition('=')[0]}=VALUE"
    assert PLACEHOLDER not in str(new(kind, *GIVEN[kind]))


def test_values_get_the_types_of_the_drivers_settings() -> None:
    table = new("vault", ADDRESS, ROLE, "readable=true", "timeout_s=7", "namespace=1")
    assert (table["readable"], table["timeout_s"], table["namespace"]) == (True, 7.0, "1")
    assert table["auth"]["role_id"] == "12345"
    assert new("redis-account", "nodes=a:1,b:2", "user=m8")["nodes"] == ["a:1", "b:2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([ADDRESS, ROLE, "adress=https://x"], "unknown field `adress`"),
        ([ADDRESS, ROLE, "adress=https://x"], "Did you mean 'address'?"),
        ([ADDRESS, ROLE, "readable=perhaps"], "$.readable"),
        ([ADDRESS, ROLE, "address"], "is not KEY=VALUE"),
        ([ADDRESS, ROLE, ".x=1"], "is not KEY=VALUE"),
        ([ADDRESS, ROLE, ADDRESS], "twice"),
        (["address=http://bao.example:8200", ROLE], "`address` must be https://"),
        ([ADDRESS, "auth.method=token"], "--set auth.token_file=VALUE"),
        ([ADDRESS, ROLE, "address.host=x"], "no setting 'address.host'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_rule_and_its_fix(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as refused:
        new("vault", *words)
    assert said in f"{refused.value.message} {refused.value.fix}"
    assert refused.value.fix


def test_another_way_to_log_in_takes_nothing_from_the_first_one() -> None:
    token = new("vault", ADDRESS, "auth.method=token", "auth.token_file=token")
    assert token["auth"] == {"method": "token", "token_file": "token"}
    secret = new("vault", ADDRESS, ROLE, "auth.secret_id_file=s")
    assert secret["auth"] == {"method": "approle", "role_id": "12345", "secret_id_file": "s"}
    assert "restorable" not in new("vault", ADDRESS, ROLE, "restorable=")


def test_a_relative_path_of_the_engine_begins_at_the_settings(tmp_path: Path) -> None:
    folder = tmp_path / "reactor"
    init(folder, *words_for("pass"), kind="pass")
    assert 'folder = "passwords"' in (folder / "reactor.toml").read_text()
    engine = msgspec.to_builtins(reactor_settings.read(folder).engine)
    assert engine["folder"] == str(folder / "passwords")
    inner = {"auth": {"file": "config", "context": "x"}, "host": "db", "ca_file": "/ca", "password_file": ""}
    resolved = engine_table.resolved(inner, folder)
    assert resolved == inner | {"auth": {"file": str(folder / "config"), "context": "x"}}


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_at_a_terminal_what_is_missing_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(setting: str) -> str:
        asked.append(setting)
        return {"address": "https://bao.example:8200", "auth.role_id": "r"}[setting]

    table = new("vault", "readable=true", ask=answer, folder=tmp_path)
    assert sorted(asked) == ["address", "auth.role_id"]
    assert (table["address"], table["auth"]["role_id"], table["readable"]) == ("https://bao.example:8200", "r", True)
    monkeypatch.setattr("monoskope.reactor.cli._asks", lambda: True)
    words = ["init", str(tmp_path / "r"), "--store", "a", "--type", "aws-ssm", "--server", "m8:1", "--ca-file", "ca"]
    done = CliRunner().invoke(cli._group, words, input="eu-central-1\n")
    assert "engine: region: " in done.stderr
    assert 'region = "eu-central-1"' in (tmp_path / "r" / "reactor.toml").read_text()


def test_what_comes_next_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    done = process(
        *("init", tmp_path / "r", "--store", "v", "--type", "vault", "--server", "m8:1", "--ca-file", "ca"),
        *words_for("vault"),
    )
    assert done.returncode == 0
    identity = done.stdout.strip()
    for line in (
        f"m8 reactor policy {tmp_path / 'r'}",
        f"m8 stores check {tmp_path / 'r'}",
        f"m8 reactor fingerprint-key new {tmp_path / 'r'}",
        f"monoctl create secret-store v --type vault --identity {identity} --activate",
    ):
        assert f"    {line}\n" in done.stderr


def test_check_says_done_only_of_an_engine_that_passed(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    (tmp_path / "in-the-way").touch()
    words = ("init", folder, "--store", "a", "--type", "age", "--server", "m8:1", "--ca-file", "ca", "--check")
    failed = ends(process(*words, "--set", f"folder={tmp_path}/in-the-way"), 7, "did not pass", "m8 stores check")
    assert failed.stdout == ""
    ends(process(*words), 2, "exists already")


def test_accounts_are_named_for_engines_of_accounts_alone(tmp_path: Path) -> None:
    words = ("init", tmp_path / "r", "--store", "a", "--server", "m8:1", "--ca-file", "ca", "--type")
    ends(process(*words, "age", "--account", "orders_*"), 2, "Leave --account out")
    settings_of_pg = [word for word in words_for("postgresql-account") if word not in {"--account", "orders_*"}]
    ends(process(*words, "postgresql-account", *settings_of_pg), 2, "Give --account 'orders_*'")
    assert not (tmp_path / "r" / "reactor.toml").exists()


@given(words=st.lists(st.text(max_size=30) | st.from_regex(r"[a-z_]{1,9}(\.[a-z_]{1,9})?=[ -~]{0,9}", fullmatch=True)))
def test_whatever_is_typed_is_a_table_or_a_fix(words: list[str]) -> None:
    try:
        table = new("vault", ADDRESS, ROLE, *words)
    except UsageError as refused:
        fix = refused.fix
    else:
        fix = "none is needed"
        msgspec.convert(engine_table.resolved(table, Path("/r")), registry.find("vault").Config)
    assert fix
