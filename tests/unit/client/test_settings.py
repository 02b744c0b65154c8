"""Which setting wins, and which file is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope import client
from monoskope.client.settings import ClientSettings, config_path, find, load_settings, parse_identities
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

    found = find({"server": "flag:1"}, environ=environ)

    assert (found["server"].value, found["server"].source) == ("flag:1", "`server=`")
    assert (found["ca_file"].value, found["ca_file"].source) == ("/env.crt", "MONOCTL_CA_FILE")
    assert (found["token_file"].value, found["token_file"].source) == ("/file/token", str(user))
    assert found["known_stores"].value == str(user.with_name("known_stores"))


def test_paths_in_a_file_start_at_its_folder(environ: dict[str, str], user: Path) -> None:
    write(user, 'server = "m8:1"\nca_file = "ca.crt"\n')

    assert find({}, environ=environ)["ca_file"].value == str(user.with_name("ca.crt"))


def test_a_dev_server_is_found_without_configuration(environ: dict[str, str], dev: Path) -> None:
    settings = load_settings(environ=environ)

    assert settings.server == "localhost:7443"
    assert settings.token == "dev.token.x"
    assert settings.ca_file == dev.with_name("ca.crt")
    assert settings.known_stores == dev.with_name("known_stores")


def test_the_dev_servers_token_goes_to_no_other_server(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    with pytest.raises(UsageError, match="no ca_file"):
        load_settings(server="elsewhere:7443", environ=environ)
    with pytest.raises(UsageError, match="no token_file"):
        load_settings(server="elsewhere:7443", ca_file="/ca.crt", environ=environ)


def test_for_another_server_it_does_not_say_to_start_a_dev_server(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    with pytest.raises(UsageError) as caught:
        load_settings(environ=environ | {"MONOCTL_SERVER": "elsewhere:7443"})
    assert "for elsewhere:7443 (MONOCTL_SERVER)" in caught.value.message
    assert "m8 dev" not in caught.value.fix
    with pytest.raises(UsageError, match="host:port"):
        load_settings(server="elsewhere", environ=environ)


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

    assert settings.store_identities == {"vault": IDENTITY}
    assert settings.default_store == "vault"


@pytest.mark.parametrize("text", ["vault", f"={IDENTITY}", f"Vault={IDENTITY}", "vault=SHA256:x"])
def test_a_malformed_identity_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_identities([text])


def test_two_identities_for_a_store_are_refused() -> None:
    with pytest.raises(UsageError, match="two identities"):
        parse_identities([f"vault={IDENTITY}", f"vault={IDENTITY}"])


def test_settings_do_not_show_the_token(environ: dict[str, str], dev: Path) -> None:
    assert dev.exists()
    assert "dev.token" not in repr(load_settings(environ=environ))


def test_the_name_of_earlier_versions_can_still_be_imported() -> None:
    assert client.Settings is client.ClientSettings is ClientSettings
