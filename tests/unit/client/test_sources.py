"""Which source gives a setting, and which context counts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monoskope.client.known import system as system_module
from monoskope.client.known.sources import find
from monoskope.client.settings import load_settings
from monoskope.errors import UsageError
from monoskope.settings import write_private

SERVER = "m8.example:1"
CONTEXTS = f"""server = "top:1"
signing_key = "top.key"
retry_for = "5"
[contexts.lab]
server = "lab:1,lab:2"
ca_file = "lab.crt"
login_issuer = "https://lab.example"
token_file = "token"
[contexts.company]
server = "{SERVER}"
"""


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


WINNERS = [
    ({"flag", "environment", "context", "top", "dev", "system"}, "flag"),
    ({"environment", "context", "top", "dev", "system"}, "environment"),
    ({"context", "top", "dev", "system"}, "context"),
    ({"top", "dev", "system"}, "top"),
    ({"dev", "system"}, "dev"),
    ({"system"}, "system"),
]


@pytest.mark.parametrize(("sources", "winner"), WINNERS, ids=[winner for _, winner in WINNERS])
@pytest.mark.parametrize("name", ["ca_file", "requester", "login_issuer"])
def test_the_first_source_counts(  # noqa: PLR0917 - fixtures, which pytest passes by name
    sources: set[str], winner: str, name: str, environ: dict[str, str], user: Path, machine: Path
) -> None:
    def table(source: str) -> str:
        return f'server = "{SERVER}"\n{name} = "/{source}"\n' if source in sources else ""

    chosen = 'context = "company"\n' if "context" in sources else ""
    write(user, f"{chosen}{table('top')}" + (f"[contexts.company]\n{table('context')}" if chosen else ""))
    dev = Path(environ["HOME"]) / ".local/state/monoskope/dev/client/config.toml"
    dev.parent.mkdir(parents=True)
    write(dev, table("dev"))
    write(machine, table("system"), 0o644)
    flags = {"server": SERVER} | ({name: "/flag"} if "flag" in sources else {})
    environ |= {f"MONOCTL_{name.upper()}": "/environment"} if "environment" in sources else {}

    found = find(flags, environ=environ, system=machine)

    assert found[name].value == f"/{winner}"


def test_a_context_has_nothing_of_another_place(environ: dict[str, str], user: Path) -> None:
    write(user, CONTEXTS)

    found = find({}, context="lab", environ=environ)

    assert found["server"].value == "lab:1,lab:2"
    assert found["server"].source == f"{user} [contexts.lab]"
    assert found["ca_file"].value == str(user.with_name("lab.crt"))
    assert "signing_key" not in found
    assert found["retry_for"].value == "5", "bound to no server"
    assert "signing_key" in find({}, environ=environ)
    assert "ca_file" not in find({}, context="company", environ=environ)


@pytest.mark.parametrize(
    ("flag", "variable", "chosen"),
    [("lab", "company", "company"), ("", "lab", "company"), ("", "", "lab"), ("", "", "")],
)
def test_a_context_is_named_by_a_flag_a_variable_or_the_file(
    flag: str, variable: str, chosen: str, environ: dict[str, str], user: Path
) -> None:
    write(user, f'context = "{chosen}"\n{CONTEXTS}')

    found = find({}, context=flag, environ=environ | {"MONOCTL_CONTEXT": variable})

    assert found["server"].value == ("lab:1,lab:2" if flag or variable or chosen else "top:1")
    assert [found["context"].value] == ["lab"] if chosen else "context" not in found


@pytest.mark.parametrize(("content", "there"), [(CONTEXTS, "company, lab"), ("", "none"), (None, "none")])
def test_a_context_that_does_not_exist(content: str | None, there: str, environ: dict[str, str], user: Path) -> None:
    if content is not None:
        write(user, content)
    with pytest.raises(UsageError) as caught:
        find({}, environ=environ | {"MONOCTL_CONTEXT": "labb\x1b"})
    assert f"{user} has no context 'labb\\x1b', which MONOCTL_CONTEXT names" in caught.value.message
    assert there in caught.value.fix


@pytest.mark.parametrize(
    ("server", "fits"), [("lab:2", True), ("https://LAB:1", True), ("lab:1,top:1", False), (SERVER, False)]
)
@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_server_beside_a_context_is_one_of_its_servers(
    server: str, fits: bool, by: str, environ: dict[str, str], user: Path
) -> None:
    write(user, f'context = "lab"\n{CONTEXTS}')
    write(user.with_name("token"), "of.the.lab")
    environ |= {"MONOCTL_SERVER": server} if by == "variable" else {}
    flag = server if by == "flag" else None
    if fits:
        assert load_settings(server=flag, environ=environ).token == "of.the.lab"
        return
    with pytest.raises(UsageError, match=r"is none of the servers of the context 'lab', which are lab:1,lab:2"):
        load_settings(server=flag, environ=environ)


@pytest.mark.parametrize("name", ["", "a b", "-lab", "x" * 64, "ü", 'a"', "a\x1b[2J"])
def test_a_name_that_no_context_can_have(name: str, environ: dict[str, str], user: Path) -> None:
    quoted = "".join(f"\\u{ord(character):04x}" for character in name)
    write(user, f'[contexts."{quoted}"]\nserver = "{SERVER}"\n')
    with pytest.raises(UsageError, match="is no name of a context"):
        find({}, environ=environ)


PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----"
CONTENTS = [
    ("signing_key", f"{PRIVATE}\nb3BlbnNzaC1rZXktdjEA\n", "let an ssh-agent hold it"),
    ("signing_key", f"{PRIVATE} b3BlbnNzaC1rZXktdjEA", "Write it to a file that others cannot read"),
    ("signing_key", "LS0tLS1CRUdJTiBPUEVOU1NI", "give the file's path"),
    ("token_file", "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.c2ln", "Give it as MONOCTL_TOKEN"),
    ("token_file", "k" * 256, "Give it as MONOCTL_TOKEN"),
    ("ca_file", "-----BEGIN CERTIFICATE-----\nMIIB\n", "Give it as MONOCTL_CA"),
]


@pytest.mark.parametrize("where", ["flag", "environment", "file"])
@pytest.mark.parametrize(("name", "value", "fix"), CONTENTS)
def test_what_stands_where_the_name_of_its_file_belongs_is_refused_and_shown_by_nothing(  # noqa: PLR0917 - fixtures
    name: str, value: str, fix: str, where: str, environ: dict[str, str], user: Path
) -> None:
    flags = {name: value} if where == "flag" else {}
    environ |= {f"MONOCTL_{name.upper()}": value} if where == "environment" else {}
    text = value.replace("\n", "\\n")
    write(user, f'server = "{SERVER}"\n' + (f'{name} = "{text}"\n' if where == "file" else ""))

    with pytest.raises(UsageError) as refused:
        find(flags, environ=environ)

    told = f"{refused.value} {refused.value.fix}"
    assert name in told.lower()
    assert fix in told
    assert value[:20] not in repr(refused.value) + told


def test_a_public_key_and_an_unusual_name_of_a_file_are_no_contents(environ: dict[str, str]) -> None:
    for value in ("ssh-ed25519 " + "A" * 300, "/" + "k" * 255 + "/" + "n" * 255, "/srv/-----BEGIN", "clé privée"):
        assert find({"signing_key": value}, environ=environ)["signing_key"].value == value
