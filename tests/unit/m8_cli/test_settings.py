"""Every wrong setting is named, with its file, its rule and what to do, and no message shows a password."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

import msgspec
import pytest

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8 import opened, settings
from monoskope.m8.init import lay_out
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.m8.settings import File
from monoskope.reactor.timings import Timings
from monoskope.settings import convert
from monoskope.testing.engines.openbao_files import make_certificate
from tests.support.programs import m8


def write(folder: Path, text: str) -> Path:
    (folder / "m8.toml").write_text(text, encoding="utf-8")
    return folder


def test_defaults_are_complete(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, ""))
    assert str(loaded.listen) == "127.0.0.1:7443"
    assert loaded.names_at(1) == ("localhost:7443", "127.0.0.1:7443")
    assert loaded.tls_key == tmp_path / "tls.key"
    assert loaded.log_file is None
    assert (loaded.file.verify_every_hours, loaded.file.puts_per_hour_per_user) == (0, 2_000)
    assert loaded.file.recorded_bytes_per_user_per_day == 1_073_741_824


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
        ('lisen = "127.0.0.1:1"', "Did you mean 'listen'"),
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
                *("HTTPS://a.example", "https://A.example", "https://a.example:443", "ftp://a.example"),
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
        ("open_changes_per_user = 0", "open_changes_per_user"),
        ("open_changes_per_user = 1001", "open_changes_per_user"),
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
    assert field in str(caught.value)
    assert str(tmp_path / "m8.toml") in caught.value.message
    assert caught.value.fix


def test_the_fix_of_a_large_number_is_exact(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        settings.load(write(tmp_path, "recorded_bytes_per_user_per_day = 0"))
    assert caught.value.fix.endswith(f" {settings.DEFAULT_RECORDED_BYTES}.")


@pytest.mark.parametrize(
    "text", ['[limits]\nlisten = "127.0.0.1:1"', '[[audit]]\nname = "a"\nkind = "syslog"\naddress = "a:1"\npath = "a"']
)
def test_a_field_that_belongs_elsewhere_is_not_called_misspelt(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="a field of another table, or of another kind"):
        settings.load(write(tmp_path, text))


def test_an_empty_folder_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="m8 init folder --dir"):
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
def test_connections_stay_below_the_limit_of_files(tmp_path: Path, text: str, files: int, most: int, each: int) -> None:
    assert settings.load(write(tmp_path, f"[limits]\n{text}")).file.limits.within(files) == (most, each)


def test_more_connections_than_files_are_refused_with_both_numbers(tmp_path: Path) -> None:
    loaded = settings.load(write(tmp_path, "[limits]\nconnections = 1000"))
    with pytest.raises(UsageError, match="connections = 1000 is too much for a process that may open 1024") as caught:
        loaded.file.limits.within(1_024)
    assert "at most 768" in caught.value.fix


def test_a_start_that_is_refused_late_says_its_error_alone(tmp_path: Path) -> None:
    folder = tmp_path / "m8"
    lay_out(folder=folder, listen=HostPort("127.0.0.1", 0))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = folder / "m8.toml"
        listen = f'operations_listen = "127.0.0.1:{taken.getsockname()[1]}"\n'
        kept = [line for line in settings.read_text().splitlines() if not line.startswith("operations_listen")]
        settings.write_text(listen + "\n".join(kept) + "\n")
        ran = m8("serve", "--dir", str(folder), home=tmp_path, code=ExitCode.UNAVAILABLE)
    assert [line.partition(":")[0] for line in ran.stderr.splitlines()] == ["error", "fix"]


ACCOUNT = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("caller", ["", ACCOUNT, "nobody knows", "no-such-account-here", "m8/os/root", "../x", "a\nb"])
def test_only_another_account_that_exists_counts_as_the_one_behind_sudo(caller: str) -> None:
    assert opened.os_actor({"SUDO_USER": caller}) == f"m8/os/{ACCOUNT}"
    assert opened.os_actor({"SUDO_USER": "daemon"}) == f"m8/os/{ACCOUNT}/sudo/daemon"


def test_an_account_without_a_name_or_with_one_that_does_not_fit_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_001)
    assert opened.os_actor({}) == "m8/os/2000000001"
    entry = pwd.struct_passwd(("DOMAIN\\anna", "x", 1, 1, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    assert opened.os_actor({}) == "m8/os/2000000001"


def test_the_defaults_are_the_protocols() -> None:
    assert File().timings.limits == ServerLimits()
    assert (ServerLimits().deadlines.requested_s, ServerLimits().deadlines.granted_grace_s) == (60, 60)
    assert (Timings().write_window, Timings().issuer_gone, Timings().settle) == (30, 10, 60)
    Timings().check(testing=False)


@pytest.mark.parametrize(
    "table", [{"requested": 0}, {"tick": -1}, {"heartbeat": 10}, {"silence": 11}, {"issuer_gone": 4}, {"requestd": 1}]
)
def test_m8_refuses_a_table_that_makes_no_sense(table: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(table))):
        convert({"timings": table}, File, where="m8.toml")


@pytest.mark.parametrize("change", [{"write_window": 60.0}, {"settle": 30.0}, {"write_window": 0.0}, {"tick": -1.0}])
def test_a_reactor_refuses_a_table_with_which_a_write_could_come_late(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"timings\."):
        msgspec.structs.replace(Timings(), **change).check(testing=True)


PASSWORD = "correct-horse-7c1f"


@pytest.fixture(autouse=True)
def no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M8_DATABASE_PASSWORD", raising=False)


def loaded(folder: Path, url: str, more: str = "") -> settings.ServerSettings:
    return settings.load(write(folder, f'database = "{url}"\n{more}'))


def target(folder: Path, url: str, more: str = "") -> PostgresTarget:
    found = loaded(folder, url, more).database
    assert found is not None
    return found


def test_without_one_the_log_is_the_sqlite_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").database is None
    assert settings.load(write(tmp_path, "")).database is None


def test_several_hosts_each_with_its_port(tmp_path: Path) -> None:
    found = target(tmp_path, "postgresql://m8@db1.example,db2.example:6432,[::1]:7/m8?target_session_attrs=read-write")
    assert found.hosts == (("db1.example", 5432), ("db2.example", 6432), ("::1", 7))
    assert (found.user, found.database, found.password()) == ("m8", "m8", "")
    found = target(tmp_path, "postgres://m%408@db/m%208")
    assert (found.user, found.database) == ("m@8", "m 8"), "names may be percent-encoded"


@pytest.mark.parametrize("url", ["postgresql://m8@/m8?host=/run/postgresql", "postgresql://m8@%2Frun%2Fpostgresql/m8"])
def test_a_unix_socket_is_named_as_libpq_names_it(tmp_path: Path, url: str) -> None:
    found = target(tmp_path, url)
    assert found.hosts == (("/run/postgresql", 5432),)
    assert found.arguments(*found.hosts[0])["ssl"] is False


def test_the_server_is_verified_unless_somebody_says_otherwise_for_this_machine(tmp_path: Path) -> None:
    for host in ("db1.example", "127.0.0.1", "localhost", "[::1]"):
        assert target(tmp_path, f"postgresql://m8@{host}/m8").tls is not None
        assert target(tmp_path, f"postgresql://m8@{host}/m8?sslmode=verify-full").tls is not None
    for host in ("127.0.0.1", "127.8.9.1", "localhost", "[::1]", "localhost,[::1]"):
        assert target(tmp_path, f"postgresql://m8@{host}/m8?sslmode=disable").tls is None


def test_the_keys_of_a_session_are_never_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    found = target(tmp_path, "postgresql://m8@127.0.0.1/m8")
    assert found.tls is not None
    assert not getattr(found.tls.context(), "keylog_filename", None)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://m8@db1.example/m8?sslmode=disable", "clear text"),
        ("postgresql://m8@127.0.0.1,db1.example/m8?sslmode=disable", "clear text"),
        ("postgresql://m8@db/m8?sslmode=require", "takes any certificate"),
        ("postgresql://m8@db/m8?sslmode=prefer", "switch encryption off"),
        ("postgresql://m8@db/m8?sslmode=allow", "only if the server insists"),
        ("postgresql://m8@db/m8?sslmode=verify-ca", "any other machine"),
        ("postgresql://m8@db/m8?sslmode=on", "an sslmode that m8 does not accept; it is none that m8 knows."),
        ("postgresql://m8@db/m8?sslrootcert=x", "sslrootcert"),
        ("postgresql://m8@db/m8?sslcert=x", "sslcert"),
        ("postgresql://m8@db/m8?passfile=x", "passfile"),
        ("postgresql://m8@db/m8?connect_timeout=9", "connect_timeout"),
        ("postgresql://m8@db/m8?options=-csearch_path%3Dx", "options"),
        ("postgresql://m8@db/m8?target_session_attrs=any", "target_session_attrs"),
        ("postgresql://m8@db/m8?sslmode=verify-full&sslmode=disable", "twice"),
        ("postgresql://m8@db/m8?host=/run", "parameter host"),
        ("postgresql://m8@/m8?host=db", "parameter host"),
        ("postgresql://m8@db", "no database"),
        ("postgresql://m8@db/", "no database"),
        ("postgresql://m8@db/m8/more", "no database"),
        ("postgresql://db/m8", "no user"),
        ("postgresql://m8@/m8", "neither a name nor an address"),
        ("postgresql://m8@db,/m8", "neither a name nor an address"),
        ("postgresql://m8@db:0/m8", "port of db"),
        ("postgresql://m8@db:65536/m8", "port of db"),
        ("postgresql://m8@db:٣/m8", "port of db"),
        ("postgresql://m8@[::1/m8", "a host that is neither"),
        ("postgresql://m8@db/m8#x", "character"),
        ("postgresql://m8@db/m 8", "character"),
        ("mysql://m8@db/m8", "postgresql://"),
        ("db1.example", "postgresql://"),
    ],
)
def test_a_wrong_one_is_refused_with_what_is_wrong_and_what_to_do(tmp_path: Path, url: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, url)
    assert says in caught.value.message
    assert str(tmp_path / "m8.toml") in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://m8:{PASSWORD}@db/m8",
        f"postgresql://m8:{PASSWORD}?x@db/m8",
        f"postgresql://m8:{PASSWORD}/x@db/m8",
        f"postgresql://m8:{PASSWORD}#x@db/m8",
        f"postgresql://m8:@{PASSWORD}@db/m8",
        f"postgresql://m8:[{PASSWORD}]@db/m8",
        f"postgresql://m8@db/m8?password={PASSWORD}",
        f"mysql://m8:{PASSWORD}@db/m8",
        f"postgresql://m8@db/m8?{PASSWORD}=1",
        f"postgresql://m8@db/m8?sslmode={PASSWORD}",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, url)
    assert PASSWORD not in f"{caught.value} {caught.value!r}"
    assert caught.value.__suppress_context__


def test_the_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_bytes(f"{PASSWORD}\n".encode())
    file.chmod(0o600)
    found = loaded(tmp_path, "postgresql://m8@db/m8", 'database_password_file = "password"')
    assert found.database is not None
    assert found.database.password() == PASSWORD
    file.write_bytes(b"other ")
    assert found.database.password() == "other "
    assert PASSWORD not in repr(found)
    monkeypatch.setenv("M8_DATABASE_PASSWORD", PASSWORD)
    found = loaded(tmp_path, "postgresql://m8@db/m8")
    assert found.database is not None
    assert found.database.password() == PASSWORD
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(
    ("password", "more", "says"),
    [
        (os.fsdecode(b"caf\xe9"), "", "M8_DATABASE_PASSWORD holds no password"),
        (PASSWORD, 'database_password_file = "password"', "given twice"),
    ],
    ids=["no UTF-8", "twice"],
)
def test_a_password_in_the_environment_that_is_no_utf_8_or_one_too_many_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, more: str, says: str
) -> None:
    monkeypatch.setenv("M8_DATABASE_PASSWORD", password)
    with pytest.raises(UsageError, match=says):
        loaded(tmp_path, "postgresql://m8@db/m8", more)


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb", b"a\0b", b"a\n\n", b"\xff\xfe", b"a\r\n"])
def test_a_password_file_that_holds_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    (tmp_path / "password").chmod(0o600)
    with pytest.raises(UsageError, match="holds no password"):
        loaded(tmp_path, "postgresql://m8@db/m8", 'database_password_file = "password"')


def test_a_password_file_that_others_can_read_or_that_is_missing_is_refused(tmp_path: Path) -> None:
    more = 'database_password_file = "password"'
    with pytest.raises(UsageError, match="does not exist"):
        loaded(tmp_path, "postgresql://m8@db/m8", more)
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o644)
    with pytest.raises(RefusedError, match="0644"):
        loaded(tmp_path, "postgresql://m8@db/m8", more)
    with pytest.raises(UsageError, match="descriptor"):
        loaded(tmp_path, "postgresql://m8@db/m8", 'database_password_file = "/dev/stdin"')


@pytest.mark.parametrize("name", ["password_file", "ca", "certificate", "key"])
def test_a_setting_of_the_database_without_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"database_{name} is set, but database is not"):
        loaded(tmp_path, "", f'database_{name} = "x"')


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('database_ca = "nowhere"', "database_ca"),
        ('database_ca = "m8.toml"', "holds no certificate"),
        ('database_certificate = "server.pem"', "without the other"),
        ('database_key = "server.key"', "without the other"),
        ('database_certificate = "server.pem"\ndatabase_key = "nowhere"', "does not exist"),
        ('database_certificate = "server.key"\ndatabase_key = "server.key"', "no pair"),
        ('database_certificate = "nowhere"\ndatabase_key = "server.key"', "cannot be read"),
    ],
)
def test_certificates_are_looked_at_before_anything_is_connected(tmp_path: Path, more: str, says: str) -> None:
    make_certificate(tmp_path)
    with pytest.raises(Error) as caught:
        loaded(tmp_path, "postgresql://m8@db/m8", more)
    assert says in caught.value.message
    good = 'database_ca = "ca.pem"\ndatabase_certificate = "server.pem"\ndatabase_key = "server.key"'
    assert target(tmp_path, "postgresql://m8@db/m8", good).tls is not None
