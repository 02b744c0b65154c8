"""Files, addresses and settings that are not right: each named, with what to do, by the program that reads it."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.parts import free_port
from tests.e2e.conftest import Team
from tests.e2e.inside import inside, put_inside
from tests.e2e.ran import refused


def shown_error(ran: Ran, code: int) -> str:
    """What `m8` said on standard error, once it ended so and said what to do."""
    assert ran.code == code, (ran.code, ran.out, ran.err)
    assert ran.err.startswith("error: ")
    assert "\nfix: " in ran.err
    return ran.err


# --- modes ---


@pytest.mark.parametrize("name", ["token", "config.toml", "known_stores"])
@pytest.mark.parametrize("mode", [0o660, 0o604, 0o620])
def test_a_users_file_that_others_can_reach_is_refused(patient: Team, name: str, mode: int) -> None:
    file = patient.user.token_file.with_name(name)
    file.chmod(mode)
    try:
        ran = put_inside(patient.user, patient.uri("local"))
    finally:
        file.chmod(0o600)
    assert f"{file} has mode {mode:04o}: others than its owner can reach it" in refused(ran, 3)
    assert f"chmod 600 {file}" in ran.err


@pytest.mark.parametrize("name", ["token-signing.key", "tls.key"])
def test_m8_does_not_start_with_a_key_that_others_can_reach(cluster: Cluster, name: str, tmp_path: Path) -> None:
    home = tmp_path / "m8"
    cluster.must("m8", "init", "--dir", str(home), "--listen", f"127.0.0.1:{free_port()}")
    (home / name).chmod(0o644)
    assert f"{name} has mode 0644" in shown_error(cluster.run("m8", "serve", "--dir", str(home)), 3)


@pytest.mark.parametrize("name", ["identity.key", "fingerprint.key", "engine.agekey"])
def test_a_reactor_does_not_start_with_a_key_that_others_can_reach(cluster: Cluster, name: str, tmp_path: Path) -> None:
    home = a_reactor(cluster, tmp_path)
    (home / name).chmod(0o640)
    assert f"{name} has mode 0640" in shown_error(cluster.run("m8", "reactor", "run", str(home)), 3)


# --- the server ---


def test_the_wrong_authority_is_no_m8(patient: Team) -> None:
    openbao = patient.cluster.bao.ca_file
    message = refused(put_inside(patient.user, patient.uri("local"), "--ca-file", str(openbao)), 5)
    assert f"{patient.cluster.server} is not signed by an authority in the CA file {openbao}" in message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        (b"", "holds no PEM certificate"),
        (b"\x30\x82\x01", "holds no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "holds no PEM certificate"),
    ],
)
def test_a_ca_file_that_is_none_is_named(patient: Team, tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content)
    message = refused(put_inside(patient.user, patient.uri("local"), "--ca-file", str(file)), 2)
    assert f"the CA file {file} {said}" in message


def test_an_m8_that_is_down_is_unavailable(patient: Team) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    there = ("--server", nobody, "--token-file", str(patient.user.token_file))
    for ran in (
        put_inside(patient.user, patient.uri("local"), *there),
        inside(patient.user, "get", "secrets", *there, "-o", "json"),
    ):
        assert f"m8 does not answer at {nobody}" in refused(ran, 7)


@pytest.mark.parametrize("server", ["http://localhost", "localhost/x", "localhost:0", "a b:1", ":7443", "h:99999"])
def test_what_is_no_server_is_refused_with_the_rule(patient: Team, server: str) -> None:
    message = refused(put_inside(patient.user, patient.uri("local"), "--server", server), 2)
    assert f"server '{server}' is not valid: host:port" in message


# --- misspelt settings ---


@pytest.mark.parametrize(
    ("name", "meant"), [("MONOCTL_SERVR", "MONOCTL_SERVER"), ("MONOCTL_KNOWN_STORE", "MONOCTL_KNOWN_STORES")]
)
def test_monoctl_names_a_misspelt_variable_and_what_may_be_meant(patient: Team, name: str, meant: str) -> None:
    ran = inside(patient.user, "get", "secrets", "-o", "json", environment={name: "not-to-be-shown"})
    assert (
        refused(ran, 2)
        == f"the environment variable {name} is not a variable that monoctl reads. Did you mean {meant}?"
    )
    assert "not-to-be-shown" not in ran.err


def test_m8_names_a_misspelt_variable_and_what_may_be_meant(cluster: Cluster) -> None:
    ran = cluster.run("m8", "version", environment={"M8_DRI": "not-to-be-shown"})
    assert ran.code == 0
    assert ran.err == "warning: the environment variable M8_DRI means nothing to m8. Did you mean M8_DIR?\n"


Change = Callable[[dict[str, Any]], None]


def rewritten(file: Path, change: Change) -> None:
    table = tomllib.loads(file.read_text())
    change(table)
    write_private(file, tomli_w.dumps(table).encode(), replace=True)


def renamed(old: str, new: str, *tables: str) -> Change:
    def change(table: dict[str, Any]) -> None:
        for name in tables:
            table = table[name]
        table[new] = table.pop(old, 1)

    return change


@pytest.mark.parametrize(("old", "new"), [("server", "servr"), ("ca_file", "cafile"), ("token_file", "token-file")])
def test_monoctl_names_a_misspelt_setting(patient: Team, tmp_path: Path, old: str, new: str) -> None:
    config = tmp_path / "config.toml"
    shutil.copy2(patient.user.token_file.with_name("config.toml"), config)
    rewritten(config, renamed(old, new))
    ran = put_inside(patient.user, patient.uri("local"), "--config", str(config))
    message = refused(ran, 2)
    assert f"{config}: " in message
    assert f"`{new}`" in message
    assert f"Did you mean '{old}'?" in ran.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{server} @defalt vault", "'@defalt' is no store; did you mean '@default'?"),
        ("{server} local SHA265:{pin}", "'SHA256:' and 43 characters of base64"),
        ("{server} Local SHA256:{pin}", "store name 'Local' is not valid"),
        ("{server}/ local SHA256:{pin}", "is not valid: host:port"),
        ("{server}  local SHA256:{pin}", "'server store SHA256:…' or 'server @default store' is expected"),
        ("{server} local", "'server store SHA256:…' or 'server @default store' is expected"),
    ],
)
def test_monoctl_names_a_line_of_known_stores(patient: Team, tmp_path: Path, line: str, said: str) -> None:
    pins = tmp_path / "known_stores"
    pin = patient.cluster.identities["local"].removeprefix("SHA256:")
    write_private(pins, (line.format(server=patient.cluster.server, pin=pin) + "\n").encode())
    message = refused(put_inside(patient.user, patient.uri("local"), "--known-stores", str(pins)), 2)
    assert message.startswith(f"{pins}, line 1: ")
    assert said in message


@pytest.mark.parametrize(("old", "new"), [("listen", "lisen"), ("names", "name"), ("tls_key", "tls_kye")])
def test_m8_names_a_misspelt_setting(cluster: Cluster, tmp_path: Path, old: str, new: str) -> None:
    home = tmp_path / "m8"
    home.mkdir()
    (home / "m8.toml").write_text(f'{new} = "x"\n')
    said = shown_error(cluster.run("m8", "serve", "--dir", str(home)), 2)
    assert f"{home / 'm8.toml'}: " in said
    assert f"Did you mean '{old}'?" in said


MISSPELT: Mapping[str, tuple[Change, str, str]] = {
    "prefixes": (renamed("prefixes", "prefixs"), "`prefixs`", "Did you mean 'prefixes'?"),
    "limits": (renamed("lifetime_s", "lifetime", "limits"), "`lifetime`", "Did you mean 'lifetime_s'?"),
    "engine": (renamed("recipients", "recipient", "engine"), "`recipient`", "Did you mean 'recipients'?"),
    "type": (lambda table: table["engine"].update(type="aeg"), "'aeg'", "Did you mean 'age'?"),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_a_reactor_names_a_misspelt_setting(cluster: Cluster, tmp_path: Path, name: str) -> None:
    home = a_reactor(cluster, tmp_path)
    change, named, meant = MISSPELT[name]
    rewritten(home / "reactor.toml", change)
    ran = cluster.run("m8", "reactor", "run", str(home))
    said = shown_error(ran, 4 if name == "type" else 2)
    assert named in said
    assert meant in said


def a_reactor(cluster: Cluster, folder: Path) -> Path:
    """A copy of the folder of `local`'s reactor: it would run."""
    home = folder / "reactor"
    shutil.copytree(
        cluster.folder / "reactor-local", home, ignore=shutil.ignore_patterns("secrets", "*.log", "*.jsonl")
    )
    rewritten(home / "reactor.toml", lambda table: table["engine"].update(identity_file=str(home / "engine.agekey")))
    return home
