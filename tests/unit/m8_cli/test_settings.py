"""Every wrong setting is named, with its file, its rule and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from monoskope.errors import UsageError
from monoskope.m8 import settings


def write(folder: Path, text: str) -> Path:
    (folder / "m8.toml").write_text(text, encoding="utf-8")
    return folder


def test_defaults_are_complete(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, ""))
    assert str(loaded.listen) == "127.0.0.1:7443"
    assert loaded.names_at(1) == ("localhost:7443", "127.0.0.1:7443")
    assert loaded.tls_key == tmp_path / "tls.key"
    assert loaded.log_file is None
    assert loaded.verify_every_hours == 0
    assert loaded.puts_per_hour_per_user == 2_000
    assert loaded.recorded_bytes_per_user_per_day == 1_073_741_824


def test_paths_start_at_the_folder_unless_absolute(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, 'tls_certificate = "/etc/x.crt"\nlog_file = "m8.log"'))
    assert loaded.tls_certificate == Path("/etc/x.crt")
    assert loaded.log_file == tmp_path / "m8.log"


def test_the_bound_port_takes_the_place_of_port_0(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, 'names = ["localhost:0", "[::1]:0", "m8.example.com:443"]'))
    assert loaded.names_at(40_000) == ("localhost:40000", "[::1]:40000", "m8.example.com:443")


@pytest.mark.parametrize(
    "origin", ["https://a.example", "https://a.example:8443", "http://localhost:3000", "http://[::1]"]
)
def test_pages_over_https_and_of_this_machine_may_be_allowed_to_call(tmp_path: Path, origin: str) -> None:
    assert settings.load(write(tmp_path, f'origins = ["{origin}"]')).origins == {origin}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("lissten = 1", "lissten"),
        ("listen = 1", "listen"),
        ('listen = "7443"', "listen"),
        ('listen = "127.0.0.1:65536"', "listen"),
        ("names = []", "names"),
        ('names = ["localhost"]', "names"),
        ('listen = "127.0.0.1:7480"\noperations_listen = "127.0.0.1:7480"', "listen and operations_listen"),
        ('names = ["https://m8.example.com:1"]', "names"),
        ('http_listen = "127.0.0.1:7480"', "http_listen"),
        (f"origins = {[f'https://a{at}.example' for at in range(65)]}", "origins"),
        *[
            (f'origins = ["{origin}"]', "origins")
            for origin in (
                *("*", "null", "", "app.example.com", "https://", "https://*.example.com", "https://app.example.com/"),
                *(
                    "HTTPS://app.example.com",
                    "https://App.example.com",
                    "https://app.example.com:443",
                    "ftp://a.example",
                ),
                *("https://a.example:0443", "https://a.example:65536", "https://u@a.example", "http://app.example.com"),
                *("https://a.example\\r\\nX: y", "https://a.example, https://b.example", "https://[::1"),
            )
        ],
        ('audience = ""', "audience"),
        ('tls_key = ""', "tls_key"),
        ('tls_certificate = ""', "tls_certificate"),
        ("listen =", "TOML"),
        ("puts_per_hour_per_user = -1", "puts_per_hour_per_user"),
        ("puts_per_hour_of = {anna = 0}", "puts_per_hour_of: 'anna'"),
        ("recorded_bytes_per_user_per_day = 0", "recorded_bytes_per_user_per_day"),
        ("recorded_bytes_per_user_per_day = -1", "recorded_bytes_per_user_per_day"),
        ("recorded_bytes_per_user_per_day = 2097151", "recorded_bytes_per_user_per_day"),
        ("recorded_bytes_per_user_per_day = 1125899906842625", "recorded_bytes_per_user_per_day"),
        ("puts_per_minute_per_user = -1", "puts_per_minute_per_user"),
        ("puts_per_minute_per_user = 1000001", "puts_per_minute_per_user"),
        ("secrets_per_user = -1", "secrets_per_user"),
        ("secrets_per_user = 10001", "secrets_per_user"),
        ("verify_every_hours = -1", "verify_every_hours"),
        ("verify_every_hours = 8785", "verify_every_hours"),
        ("[limits]\nconnections = 15", "connections"),
        ("[limits]\nconnections_per_address = 100001", "connections_per_address"),
        ("[limits]\nhandshakes_per_address = 1", "handshakes_per_address"),
        ("[limits]\nfailed_logins = 0", "failed_logins"),
        ("[limits]\nfailed_login = 1", "failed_login"),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_a_fix(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings.load(write(tmp_path, text))
    assert field in caught.value.message
    assert str(tmp_path / "m8.toml") in caught.value.message
    assert caught.value.fix


def test_a_misspelt_field_is_corrected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'listen'"):
        settings.load(write(tmp_path, 'lisen = "127.0.0.1:1"'))


@pytest.mark.parametrize(
    "text", ['[limits]\nlisten = "127.0.0.1:1"', '[[audit]]\nname = "a"\nkind = "syslog"\naddress = "a:1"\npath = "a"']
)
def test_a_field_that_belongs_elsewhere_is_not_called_misspelt(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="a field of another table, or of another kind"):
        settings.load(write(tmp_path, text))


def test_an_empty_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="m8 init --dir"):
        settings.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "files", "most", "each"),
    [
        ("", 1_024, 768, 192),
        ("", 1_048_576, 2_000, 500),
        ("", 64, 48, 16),
        ("connections = 500", 1_024, 500, 125),
        ("connections_per_address = 700", 1_024, 768, 700),
        ("connections = 100\nconnections_per_address = 700", 1_024, 100, 100),
    ],
)
def test_connections_stay_below_the_files_that_may_be_open(
    tmp_path: Path, text: str, files: int, most: int, each: int
) -> None:
    loaded = settings.load(write(tmp_path, f"[limits]\n{text}"))
    assert loaded.limits.within(files) == (most, each)


def test_more_connections_than_files_are_refused_with_both_numbers(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, "[limits]\nconnections = 1000"))
    with pytest.raises(UsageError, match="connections = 1000 is too much for a process that may open 1024") as caught:
        loaded.limits.within(1_024)
    assert "at most 768" in caught.value.fix
