"""`database` in m8.toml: every wrong one is refused, by name and with a fix, and no message shows a password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.m8 import settings
from monoskope.m8.log.postgres.target import PostgresTarget
from monoskope.testing.engines.openbao_files import make_certificate

PASSWORD = "correct-horse-7c1f"


@pytest.fixture(autouse=True)
def no_password_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("M8_DATABASE_PASSWORD", raising=False)


def loaded(folder: Path, url: str, more: str = "") -> settings.ServerSettings:
    (folder / "m8.toml").write_text(f'database = "{url}"\n{more}', encoding="utf-8")
    return settings.load(folder)


def target(folder: Path, url: str, more: str = "") -> PostgresTarget:
    found = loaded(folder, url, more).database
    assert found is not None
    return found


def test_without_one_the_log_is_the_sqlite_file(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").database is None
    (tmp_path / "m8.toml").write_text("", encoding="utf-8")
    assert settings.load(tmp_path).database is None


def test_several_hosts_each_with_its_port(tmp_path: Path) -> None:
    found = target(tmp_path, "postgresql://m8@db1.example,db2.example:6432,[::1]:7/m8?target_session_attrs=read-write")
    assert found.hosts == (("db1.example", 5432), ("db2.example", 6432), ("::1", 7))
    assert (found.user, found.database, found.password()) == ("m8", "m8", "")


def test_names_may_be_percent_encoded(tmp_path: Path) -> None:
    found = target(tmp_path, "postgres://m%408@db/m%208")
    assert (found.user, found.database) == ("m@8", "m 8")


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
        ("postgresql://m8@db/m8?sslmode=on", "none that m8 knows"),
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


def test_the_password_comes_from_a_file_and_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(f"{PASSWORD}\n".encode())
    file.chmod(0o600)
    found = loaded(tmp_path, "postgresql://m8@db/m8", 'database_password_file = "password"')
    assert found.database is not None
    assert found.database.password() == PASSWORD
    file.write_bytes(b"other ")
    assert found.database.password() == "other "
    assert PASSWORD not in repr(found)


def test_the_password_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M8_DATABASE_PASSWORD", PASSWORD)
    found = loaded(tmp_path, "postgresql://m8@db/m8")
    assert found.database is not None
    assert found.database.password() == PASSWORD
    assert PASSWORD not in repr(found)


def test_an_unknown_sslmode_is_refused_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"an sslmode that m8 does not accept; it is none that m8 knows\."):
        loaded(tmp_path, "postgresql://m8@db/m8?sslmode=some")


def test_a_password_in_the_environment_that_is_no_utf_8_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M8_DATABASE_PASSWORD", os.fsdecode(b"caf\xe9"))
    with pytest.raises(UsageError, match="M8_DATABASE_PASSWORD holds no password"):
        loaded(tmp_path, "postgresql://m8@db/m8")


def test_two_passwords_are_one_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M8_DATABASE_PASSWORD", PASSWORD)
    with pytest.raises(UsageError, match="given twice"):
        loaded(tmp_path, "postgresql://m8@db/m8", 'database_password_file = "password"')


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
