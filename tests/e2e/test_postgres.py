"""The whole product with its event log in a real PostgreSQL: the same walk, and no secret in the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.postgres import Postgres, run
from tests.e2e.ran import ok

VALUE = b"correct horse 5f0e9d"


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Cluster]:
    """m8 on PostgreSQL, a real OpenBao, and the reactor of the store `vault`."""
    name = postgres.create_database("m8")
    with Cluster(tmp_path_factory.mktemp("on-postgres")) as cluster:
        password = cluster.folder / "database-password"
        password.write_text(postgres.password)
        password.chmod(0o600)
        url = f"postgresql://m8@127.0.0.1:{postgres.port}/{name}"
        database = (
            "--database",
            url,
            "--database-ca",
            str(postgres.ca_file),
            "--database-password-file",
            password.name,
        )
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server, *database)
        cluster.start(stores=("vault",))
        yield cluster


def test_a_put_a_list_a_history_a_revoked_token_and_a_restart(on_postgres: Cluster, postgres: Postgres) -> None:
    cluster = on_postgres
    anna = cluster.add_user("anna", prefixes=["vault://team"])
    for number in range(2):
        value = VALUE + bytes([48 + number])
        ok(anna.monoctl("put", "secret", "vault://team/db", "--from-file", "password=-", input=value))
    before = _what_is_shown(anna)
    assert [row["uri"] for row in before[0]] == ["vault://team/db"]
    assert len(before[1]) == 2

    # Started anew, as after an update: the same answers, and the reactor and the users go on.
    cluster.m8.stop()
    assert "stopping" in cluster.m8.log.read_text()
    cluster.start_m8()
    assert _what_is_shown(anna) == before
    assert cluster.must("m8", "events", "--dir", "m8", "verify").out.startswith("The log holds: ")

    # A token that is revoked beside the server stops counting there at once.
    [anna_token] = [
        row["id"]
        for row in cluster.must("m8", "token", "list", "--dir", "m8", "-o", "json").json()
        if row["subject"] == "anna"
    ]
    cluster.must("m8", "token", "revoke", "--dir", "m8", anna_token)
    assert anna.monoctl("get", "secrets").code == ExitCode.UNAUTHENTICATED

    # The log is in the database alone, and the secret is nowhere in it.
    assert not (cluster.folder / "m8" / "log.db").exists()
    dump = run("pg_dump", "-U", "postgres", "-h", str(postgres.folder), "-p", str(postgres.port), "m8")
    assert b"anna".hex() in dump
    for form in (VALUE.decode(), VALUE.hex()):
        assert form not in dump
    assert postgres.password not in cluster.m8.log.read_text()


def _what_is_shown(user: User) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """What a user sees: the list, and the history of the one secret."""
    listed = ok(user.monoctl("get", "secrets", "-o", "json")).json()
    versions = ok(user.monoctl("get", "secret", "vault://team/db", "--versions", "-o", "json")).json()
    return listed, versions
