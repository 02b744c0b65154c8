"""What the administrator of a machine fixed has no way around, and who can change it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from monoskope.client.known import system as system_module
from monoskope.client.known.sources import find
from monoskope.client.settings import load_settings
from monoskope.errors import RefusedError, UsageError
from monoskope.settings import write_private

SERVER = "m8.example:1"


@pytest.fixture(autouse=True)
def owned_by_who_runs_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_module, "OWNERS", frozenset({0, os.geteuid()}))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
def user(tmp_path: Path) -> Path:
    path = tmp_path / ".config" / "monoskope" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "config.toml"
    path.parent.mkdir(mode=0o755)
    (path.parent / "ca.pem").write_text("")
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    write_private(path, text.encode(), replace=True)
    path.chmod(mode)


FIXED = f"""server = "{SERVER}"
ca_file = "ca.pem"
login_issuer = "https://login.example"
login_client_id = "monoctl"
requester = "me"
fixed = ["server", "ca_file", "login_issuer", "requester", "token_file"]
"""
OTHER_LOGIN = 'issuer = "https://evil.example"\nclient_id = "monoctl"\n'

AROUND: dict[str, tuple[str, Mapping[str, str | None]]] = {
    "--server": ("server", {"flag:server": "evil:1"}),
    "MONOCTL_SERVER": ("server", {"MONOCTL_SERVER": f"{SERVER},evil:1"}),
    "server of the file": ("server", {"file": 'server = "evil:1"\n'}),
    "a context": ("server", {"file": '[contexts.evil]\nserver = "evil:1"\n', "MONOCTL_CONTEXT": "evil"}),
    "the context of the file": ("server", {"file": 'context = "evil"\n[contexts.evil]\nserver = "evil:1"\n'}),
    "--ca-file": ("ca_file", {"flag:ca_file": "/tmp/evil.pem"}),
    "a CA as text": ("ca_file", {"flag:ca": "-----BEGIN"}),
    "MONOCTL_CA": ("ca_file", {"MONOCTL_CA": "-----BEGIN"}),
    "ca_file of a context": (
        "ca_file",
        {"file": f'[contexts.a]\nserver = "{SERVER}"\nca_file = "evil.pem"\n', "MONOCTL_CONTEXT": "a"},
    ),
    "MONOCTL_LOGIN_ISSUER": ("login_issuer", {"MONOCTL_LOGIN_ISSUER": "https://evil.example"}),
    "another issuer's CA": ("login_ca_file", {"MONOCTL_LOGIN_CA_FILE": "/tmp/evil.pem"}),
    "more hosts of the issuer": ("login_hosts", {"file": f'server = "{SERVER}"\nlogin_hosts = "evil.example"\n'}),
    "another client": ("login_client_id", {"MONOCTL_LOGIN_CLIENT_ID": "evil"}),
    "a further login": ("login_issuer", {"file": f'server = "{SERVER}"\n[logins.a]\n{OTHER_LOGIN}', "login": "a"}),
    "a further login of a context": (
        "login_issuer",
        {
            "file": f'[contexts.c]\nserver = "{SERVER}"\n[contexts.c.logins.a]\n{OTHER_LOGIN}',
            "login": "a",
            "MONOCTL_CONTEXT": "c",
        },
    ),
    "fewer cosignatures": ("log_quorum", {"MONOCTL_LOG_QUORUM": "0"}),
    "other keys of the log": ("log_vkeys", {"MONOCTL_LOG_VKEYS": "c d"}),
    "a token as text": ("token_file", {"MONOCTL_TOKEN": "a.b.c"}),
    "a build job's token": ("token_file", {"MONOCTL_ID_TOKEN": "a.b.c"}),
    "what asks GitHub for a token": ("token_file", {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a.b.c"}),
    "a file with a token": ("token_file", {"flag:token_file": "/tmp/token"}),
    "the system's other authorities": ("login_ca_file", {"SSL_CERT_FILE": "/tmp/evil.pem"}),
}
"""What somebody changes, by what it is: the setting that the error names, and the change."""


@pytest.mark.parametrize("way", AROUND)
def test_what_is_fixed_has_no_way_around(way: str, environ: dict[str, str], user: Path, machine: Path) -> None:
    key, change = AROUND[way]
    write(machine, FIXED.replace("fixed = [", 'log_vkeys = "a b"\nfixed = ["log_vkeys", '), 0o644)
    write(user, change.get("file") or "")
    flags = {name.removeprefix("flag:"): value for name, value in change.items() if name.startswith("flag:")}
    environ |= {name: value for name, value in change.items() if name.isupper() and value}

    with pytest.raises(RefusedError) as caught:
        find(flags, login=change.get("login"), environ=environ, system=machine)

    assert str(machine) in caught.value.message
    assert key in caught.value.message
    assert "a.b.c" not in str(caught.value)


def test_what_is_fixed_counts_and_may_be_said_again(environ: dict[str, str], user: Path, machine: Path) -> None:
    write(machine, FIXED, 0o644)
    write(
        user,
        '[contexts.a]\nserver = "https://M8.example:1"\nlogin_issuer = "https://login.example"\nsigning_key = "key"\n',
    )
    dev = Path(environ["HOME"]) / ".local/state/monoskope/dev/client/config.toml"
    dev.parent.mkdir(parents=True)
    write(dev, 'server = "localhost:7443"\nca_file = "ca.crt"\n')

    found = find({"server": SERVER}, context="a", environ=environ, system=machine)

    assert {name for name, setting in found.items() if setting.fixed} == {
        "server",
        "ca_file",
        "login_issuer",
        "login_client_id",
        "requester",
    }
    assert found["ca_file"].value == str(machine.with_name("ca.pem"))
    assert found["server"].source == f"{machine} (fixed)"
    assert found["signing_key"].value == str(user.with_name("key"))


def test_a_login_of_another_issuer_does_not_count(environ: dict[str, str], user: Path, machine: Path) -> None:
    kept = {"server": SERVER, "issuer": "https://evil.example", "client_id": "monoctl", "audience": "monoctl"}
    path = Path(environ["HOME"]) / ".local/state/monoskope/login" / "m8.example_1.toml"
    path.parent.mkdir(parents=True)
    assert not user.exists()
    for change, counts in (({}, False), ({"issuer": "https://login.example"}, True), ({"hosts": "evil"}, False)):
        kept |= change
        write(path, "".join(f'{name} = "{value}"\n' for name, value in kept.items()))
        write(machine, FIXED, 0o644)
        if counts:
            assert load_settings(environ=environ, system=machine).credential is not None
            continue
        with pytest.raises(RefusedError, match="has another login_"):
            load_settings(environ=environ, system=machine)


@contextmanager
def refused(kind: type[Exception], said: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert said in str(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('token_file = "token"\n', "token_file is not allowed there"),
        ('token = "a.b.c"\n', "unknown field `token`"),
        ('context = "a"\n', "unknown field `context`"),
        ('fixed = ["servr"]\n', "`fixed` names 'servr'"),
        ('fixed = ["server"]\n', "`fixed` names server, and the file does not set it"),
        ('fixed = ["ca_file"]\n', "and not server"),
        (f'server = "{SERVER}"\nca_file = "~/ca.pem"\nfixed = ["server", "ca_file"]\n', "another folder for each user"),
        (f'server = "{SERVER}"\nca_file = "none.pem"\nfixed = ["server", "ca_file"]\n', "cannot be read"),
    ],
)
def test_what_a_machine_s_file_cannot_say(text: str, said: str, environ: dict[str, str], machine: Path) -> None:
    write(machine, text, 0o644)
    with refused(UsageError, said):
        find({}, environ=environ, system=machine)


def test_a_machine_s_file_that_others_can_write(environ: dict[str, str], machine: Path, tmp_path: Path) -> None:
    def looks(at: Path = machine) -> None:
        find({}, environ=environ, system=at)

    write(machine, FIXED, 0o644)
    looks()
    for path, mode, said in (
        (machine, 0o664, "can write it"),
        (machine, 0o646, "can write it"),
        (machine.parent, 0o777, "is not safe"),
        (machine.with_name("ca.pem"), 0o666, "can write it"),
    ):
        before = path.stat().st_mode
        path.chmod(mode)
        with refused(RefusedError, said):
            looks()
        path.chmod(before)
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    (open_folder / "link.toml").symlink_to(machine)
    with refused(RefusedError, "is not safe"):
        looks(open_folder / "link.toml")
    (tmp_path / "linked").symlink_to(open_folder)
    with refused(RefusedError, "is not safe"):
        looks(tmp_path / "linked" / "link.toml")


@pytest.mark.skipif(os.geteuid() != 0, reason="run as root: it gives files to another user")
def test_a_machine_s_file_of_another_user(
    environ: dict[str, str], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_module, "OWNERS", frozenset({0}))
    write(machine, FIXED, 0o644)
    for path in (machine, machine.parent, machine.with_name("ca.pem")):
        os.chown(path, 12_345, -1)
        with refused(RefusedError, "does not belong to root"):
            find({}, environ=environ, system=machine)
        os.chown(path, 0, -1)
    find({}, environ=environ, system=machine)
