"""Which setting wins, and which file is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monoskope.client.known.config_file import config_path
from monoskope.client.known.sources import find
from monoskope.client.settings import ClientSettings, load_settings, parse_identities
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.identity import shown

IDENTITY = shown(bytes(32))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": str(tmp_path / "s")}


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.fixture
def user(tmp_path: Path) -> Path:
    return tmp_path / "c" / "monoskope" / "config.toml"


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    folder = tmp_path / "s" / "monoskope" / "dev" / "client"
    write(folder / "token", "dev.token.x\n")
    write(folder / "ca.crt", "")
    return write(folder / "config.toml", 'server = "localhost:7443"\nca_file = "ca.crt"\ntoken_file = "token"\n')


def test_flags_win_over_the_environment_and_that_over_the_file(environ: dict[str, str], user: Path) -> None:
    write(user, 'server = "file:1"\nca_file = "file.crt"\ntoken_file = "/file/token"\n')
    environ |= {"MONOCTL_SERVER": "env:1", "MONOCTL_CA_FILE": "/env.crt"}

    found = find({"server": "file:1"}, environ=environ)

    assert (found["server"].value, found["server"].source) == ("file:1", "`server`")
    assert (found["ca_file"].value, found["ca_file"].source) == ("/env.crt", "MONOCTL_CA_FILE")
    assert (found["token_file"].value, found["token_file"].source) == ("/file/token", str(user))
    assert found["known_stores"].value == str(user.with_name("known_stores"))


def test_paths_in_a_file_start_at_its_folder(environ: dict[str, str], user: Path) -> None:
    write(user, 'server = "m8:1"\nca_file = "ca.crt"\n')

    assert find({}, environ=environ)["ca_file"].value == str(user.with_name("ca.crt"))


def test_a_dev_server_is_found_without_configuration(environ: dict[str, str], dev: Path) -> None:
    settings = load_settings(environ=environ)

    assert (settings.server, settings.token) == ("localhost:7443", "dev.token.x")
    assert settings.ca_file == dev.with_name("ca.crt")
    assert settings.known_stores == dev.with_name("known_stores")
    assert "dev.token" not in repr(settings)


def test_the_dev_servers_token_goes_to_no_other_server(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    for ca_file in (None, "/ca.crt"):
        with pytest.raises(UsageError, match="no token_file"):
            load_settings(server="elsewhere:7443", ca_file=ca_file, environ=environ)


@pytest.mark.parametrize("own", ["", 'server = "own:1"\n', 'server = "own:1, https://own:2"\n'])
def test_the_token_of_a_settings_file_goes_to_its_server_alone(environ: dict[str, str], user: Path, own: str) -> None:
    write(user, f'{own}token_file = "token"\n')
    write(user.with_name("token"), "from.settings.file")

    for server in ("other:1", "own:1,other:1", "own:11", "https://own:11"):
        with pytest.raises(UsageError, match="no token_file is configured for") as caught:
            load_settings(server=server, environ=environ)
        assert "counts for the `server` of that file alone" in caught.value.fix
        with pytest.raises(UsageError, match="no token_file is configured for"):
            load_settings(environ=environ | {"MONOCTL_SERVER": server})
        assert "token_file" not in find({"server": server}, environ=environ)
    if own:
        assert load_settings(environ=environ).token == "from.settings.file"
        assert load_settings(server="https://OWN:1", environ=environ).token == "from.settings.file"
    if "," in own:
        assert load_settings(server="own:2", environ=environ).token == "from.settings.file"


@pytest.mark.parametrize("name", ["MONOCTL_TOKEN", "MONOCTL_TOKEN_FILE", "MONOCTL_LOGIN_AUDIENCE"])
def test_a_credential_of_the_environment_goes_to_its_server(environ: dict[str, str], tmp_path: Path, name: str) -> None:
    file = str(write(tmp_path / "token", "very.secret"))
    audience = {"MONOCTL_LOGIN_AUDIENCE": "own:1", "MONOCTL_ID_TOKEN": "e30.e30.c2ln"}
    environ |= audience if name in audience else {name: file if name.endswith("FILE") else "very.secret"}

    assert load_settings(server="other:1", environ=environ).server == "other:1"  # as a pipeline that sets no server
    environ["MONOCTL_SERVER"] = "own:1,own:2"
    assert load_settings(server="own:2", environ=environ).server == "own:2"
    with pytest.raises(UsageError, match=rf"^{name} is for own:1,own:2 \(MONOCTL_SERVER\) alone, and not for other:1"):
        load_settings(server="other:1", environ=environ)
    with pytest.raises(UsageError, match=f"^{name} is for"):
        load_settings(servers=["own:1", "other:1"], environ=environ)
    assert load_settings(server="other:1", token="argument", environ=environ).token == "argument"


def test_for_another_server_it_does_not_say_to_start_a_dev_server(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    with pytest.raises(UsageError) as caught:
        load_settings(environ=environ | {"MONOCTL_SERVER": "elsewhere:7443"})
    assert "for elsewhere:7443 (MONOCTL_SERVER)" in caught.value.message
    assert "m8 dev" not in caught.value.fix
    with pytest.raises(UsageError, match="host:port"):
        load_settings(server="elsewhere/", environ=environ)


def test_without_a_ca_file_the_systems_authorities_count(environ: dict[str, str]) -> None:
    settings = load_settings(server="m8.example.org:443", token="a.b.c", environ=environ)

    assert (settings.ca_file, settings.ca) == (None, "")


def test_token_and_ca_as_text_need_no_home(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    environ = {
        "MONOCTL_SERVER": "m8.example.org:7443",
        "MONOCTL_CA": "-----BEGIN CERTIFICATE-----\n",
        "MONOCTL_TOKEN": "very.secret.token\n",
        "MONOCTL_STORE_IDENTITY": f"vault={IDENTITY}",
    }

    settings = load_settings(environ=environ)
    found = find({}, environ=environ)

    assert (settings.token, settings.ca) == ("very.secret.token", environ["MONOCTL_CA"])
    assert (settings.ca_file, settings.known_stores) == (None, None)
    assert {name: setting.source for name, setting in found.items()} == {
        "server": "MONOCTL_SERVER",
        "ca": "MONOCTL_CA",
        "token": "MONOCTL_TOKEN",
    }
    assert "secret" not in f"{found!r}{settings!r}"
    with pytest.raises(UsageError, match="no home folder"):
        config_path(environ={})


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null"])
def test_a_home_that_is_no_folder_is_none(home: str) -> None:
    environ = {"HOME": home, "MONOCTL_SERVER": "m8:1", "MONOCTL_TOKEN": "a.b.c"}

    assert load_settings(environ=environ).server == "m8:1"


def test_what_is_explicit_counts_before_what_is_around(environ: dict[str, str], user: Path, dev: Path) -> None:
    write(user, 'server = "m8:1"\nca_file = "ca.crt"\ntoken_file = "token"\n')
    write(user.with_name("token"), "from.settings.file")
    write(user.with_name("other"), "from.other.file")
    environ |= {"MONOCTL_TOKEN": "from.environment.variable", "MONOCTL_CA": "-----BEGIN"}
    other = str(user.with_name("other"))

    assert load_settings(environ=environ).token == "from.environment.variable"
    assert load_settings(environ=environ).ca_file is None
    assert load_settings(environ=environ, token_file=other).token == "from.other.file"
    assert load_settings(environ=environ, token="argument").token == "argument"
    assert load_settings(environ=environ, ca_file="/other.crt").ca == ""
    assert dev.exists()


@pytest.mark.parametrize("name", ["TOKEN", "CA"])
def test_one_setting_as_text_and_as_a_file_is_refused(environ: dict[str, str], name: str) -> None:
    environ |= {f"MONOCTL_{name}": "very.secret", f"MONOCTL_{name}_FILE": "/some/file"}

    with pytest.raises(UsageError, match=f"both MONOCTL_{name} and MONOCTL_{name}_FILE") as caught:
        load_settings(environ=environ)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "a\x00b", "ü", " \n"])
def test_a_malformed_token_is_refused_and_not_shown(environ: dict[str, str], token: str) -> None:
    with pytest.raises(UsageError, match="MONOCTL_TOKEN does not hold a token") as caught:
        load_settings(server="m8:1", environ=environ | {"MONOCTL_TOKEN": token})
    assert token.strip() == "" or token not in str(caught.value)
    with pytest.raises(UsageError, match="does not hold a token"):
        ClientSettings(server="m8:1", token="line\n")


def test_settings_take_text_for_paths() -> None:
    settings = ClientSettings(server="M8.example.org:1", token="a.b.c", ca_file="ca.crt", known_stores="known_stores")

    assert settings.server == "m8.example.org:1"
    assert settings.known_stores_path == Path("known_stores")
    with pytest.raises(UsageError, match="cannot be a pipe"):
        ClientSettings(server="m8:1", token="a", known_stores="/dev/fd/3")
    with pytest.raises(UsageError, match="both ca and ca_file"):
        ClientSettings(server="m8:1", token="a", ca_file="ca.crt", ca="-----BEGIN")


def handed_over(content: bytes) -> tuple[int, str]:
    """A pipe that holds `content`, as a shell's `<(…)` makes it, and its name."""
    end, start = os.pipe()
    os.write(start, content)
    os.close(start)
    return end, f"/dev/fd/{end}"


def test_files_may_be_pipes_that_a_shell_hands_over(environ: dict[str, str], user: Path) -> None:
    pipes = [handed_over(b"a.b.c\n"), handed_over(b"-----BEGIN CERTIFICATE-----"), handed_over(b'server = "m8:1"\n')]
    (_, token_file), (_, ca_file), (_, config) = pipes
    try:
        settings = load_settings(token_file=token_file, ca_file=ca_file, config=Path(config), environ=environ)
    finally:
        for end, _ in pipes:
            os.close(end)

    assert (settings.server, settings.token, settings.ca) == ("m8:1", "a.b.c", "-----BEGIN CERTIFICATE-----")
    assert settings.known_stores == user.with_name("known_stores")
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(server="m8:1", token_file=token_file, environ=environ)


def test_what_is_handed_over_has_an_end(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"a" * 1_048_577)
    (tmp_path / "large").chmod(0o600)
    with (tmp_path / "large").open("rb") as file, pytest.raises(UsageError, match="more than"):
        load_settings(server="m8:1", token_file=f"/dev/fd/{file.fileno()}", environ=environ)


def test_a_file_behind_a_descriptor_must_be_private_too(environ: dict[str, str], tmp_path: Path) -> None:
    path = write(tmp_path / "token", "a.b.c", mode=0o644)
    with path.open("rb") as file, pytest.raises(RefusedError, match="0644"):
        load_settings(server="m8:1", token_file=f"/dev/fd/{file.fileno()}", environ=environ)


def test_a_misspelt_variable_is_refused_without_its_value(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    expected = r"MONOCTL_SERVR is not a variable that monoctl reads\. Did you mean MONOCTL_SERVER\?"
    with pytest.raises(UsageError, match=expected) as caught:
        load_settings(environ=environ | {"MONOCTL_SERVR": "elsewhere:7443"})
    assert "elsewhere" not in f"{caught.value.message}{caught.value.fix}"
    assert load_settings(environ=environ | {"MONOCTL_STORE_IDENTITY": "", "_MONOCTL_COMPLETE": "x"}).server


def test_without_anything_the_error_says_how_to_give_it(environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(environ=environ)

    assert "no server" in caught.value.message
    assert "m8 dev" in caught.value.fix
    assert "MONOCTL_SERVER" in caught.value.fix


def test_a_settings_file_that_others_can_reach_is_refused(environ: dict[str, str], user: Path) -> None:
    write(user, 'server = "m8:1"\n', mode=0o644)

    with pytest.raises(RefusedError, match="0644"):
        find({}, environ=environ)


def test_a_token_that_others_can_reach_is_refused(environ: dict[str, str], dev: Path) -> None:
    dev.with_name("token").chmod(0o604)

    with pytest.raises(RefusedError, match="0604"):
        load_settings(environ=environ)


@pytest.mark.parametrize("content", ["", "two words", "ü"])
def test_a_file_without_a_token_is_named_and_not_shown(environ: dict[str, str], dev: Path, content: str) -> None:
    dev.with_name("token").write_text(content)

    with pytest.raises(UsageError, match="does not hold a token") as caught:
        load_settings(environ=environ)
    assert not content or content not in str(caught.value)


def test_an_unknown_field_is_named_with_the_one_that_is_meant(environ: dict[str, str], user: Path) -> None:
    write(user, 'servr = "m8:1"\n')

    with pytest.raises(UsageError, match="servr") as caught:
        find({}, environ=environ)
    assert "server" in caught.value.fix


def test_a_named_settings_file_must_exist(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        find({}, config=tmp_path / "none.toml", environ=environ)


def test_the_path_without_xdg_lies_below_home(tmp_path: Path) -> None:
    assert config_path(environ={"HOME": str(tmp_path)}) == tmp_path / ".config" / "monoskope" / "config.toml"


def test_agreement_can_be_given_by_the_environment(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    environ |= {"MONOCTL_STORE_IDENTITY": f"vault={IDENTITY}", "MONOCTL_DEFAULT_STORE": "vault"}

    settings = load_settings(environ=environ)

    assert (settings.store_identities, settings.default_store) == ({"vault": IDENTITY}, "vault")


@pytest.mark.parametrize("text", ["vault", f"={IDENTITY}", f"Vault={IDENTITY}", "vault=SHA256:x"])
def test_a_malformed_identity_and_a_second_one_of_a_store_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_identities([text])
    with pytest.raises(UsageError, match="two identities"):
        parse_identities([f"vault={IDENTITY}"] * 2)


def test_demands_on_a_log_count_for_their_server_alone(environ: dict[str, str], user: Path) -> None:
    write(user, 'log_vkeys = "a b"\n')
    assert find({}, environ=environ)["log_vkeys"].value == "a b"
    assert "log_vkeys" not in find({"server": "other:1"}, environ=environ)
    write(user, 'server = "own:1,own:2"\nlog_vkeys = "a b"\n')
    assert "log_vkeys" not in find({"server": "other:1"}, environ=environ)
    assert find({"server": "own:2"}, environ=environ)["log_vkeys"].value == "a b"
