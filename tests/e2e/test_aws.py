"""Puts into AWS stores through m8 and reactors of their own; the AWS is moto, an emulator."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from tests.e2e.conftest import Team
from tests.e2e.ran import ok, refused

STORES = {"sm": "aws-secretsmanager", "ssm": "aws-ssm"}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as emulator:
        # It loads a service at its first call, which may take longer than a reactor waits.
        emulator.client("secretsmanager").list_secrets()
        emulator.client("ssm").describe_parameters()
        yield emulator


@pytest.fixture(scope="module")
def stores(cluster: Cluster, moto: Moto) -> Iterator[None]:
    """Both kinds, as an administrator makes them; the credentials are in a profile, where the SDK looks."""
    profile = (
        f"[default]\naws_access_key_id = {CREDENTIALS['AWS_ACCESS_KEY_ID']}\n"
        f"aws_secret_access_key = {CREDENTIALS['AWS_SECRET_ACCESS_KEY']}\n"
    )
    (cluster.folder / ".aws").mkdir()
    write_private(cluster.folder / ".aws" / "credentials", profile.encode())
    for store, kind in STORES.items():
        cluster.make_reactor(store, kind, {"endpoint_url": moto.url, "readable": True, "deletable": True})
        cluster.join_store(store, key_of="reactor-vault")
    yield
    for store in STORES:
        cluster.reactors[f"reactor-{store}"].stop()


@pytest.fixture
def user(cluster: Cluster, team: Team, stores: None) -> User:
    return cluster.add_user(f"aws-{team.name}", prefixes=[f"{store}://{team.name}" for store in (*STORES, "vault")])


def test_what_is_put_lies_in_secrets_manager(team: Team, user: User, moto: Moto) -> None:
    uri = team.uri("sm")
    put = ok(team.put(uri, "--expect", "absent", user=user)).json()
    there = moto.client("secretsmanager").get_secret_value(SecretId=f"m8/{team.name}/db")
    assert json.loads(there["SecretString"]) == {"password": "correct horse"}
    assert put["upstream_version"].partition("@")[0] == there["VersionId"]
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    changed = ok(team.put(uri, "--expect", put["upstream_version"], value=b"other", user=user)).json()
    refused(team.put(uri, "--expect", put["upstream_version"], value=b"third", user=user), 6)
    ok(team.compare(uri, value=b"other", user=user))
    assert ok(team.put(team.uri("vault"), value=b"other", user=user)).json()["hash"] == changed["hash"]
    ok(user.monoctl("delete", "secret", uri, "--yes", "-o", "json"))
    assert moto.client("secretsmanager").describe_secret(SecretId=f"m8/{team.name}/db")["DeletedDate"]
    ok(team.put(uri, "--expect", "absent", value=b"again", user=user))


def test_what_is_put_lies_in_parameter_store(team: Team, user: User, moto: Moto) -> None:
    uri, name, people = team.uri("ssm"), f"/m8/{team.name}/db", moto.client("ssm")
    put = ok(team.put(uri, user=user)).json()
    there = people.get_parameter(Name=name, WithDecryption=True)["Parameter"]
    assert (there["Type"], json.loads(there["Value"])) == ("SecureString", {"password": "correct horse"})
    assert put["upstream_version"].startswith(f"{there['Version']}@")
    assert ok(team.put(uri, user=user)).json()["outcome"] == "UNCHANGED"
    refused(team.put(uri, "--expect", "absent", user=user), 3)
    refused(team.put(uri, value=b"x" * 5_000, user=user), 3)
    people.put_parameter(Name=name, Value='{"password":"theirs"}', Type="SecureString", Overwrite=True)
    refused(team.put(uri, value=b"mine", user=user), 6)
    ok(team.put(uri, "--overwrite", value=b"mine", user=user))
    ok(user.monoctl("delete", "secret", uri, "--destroy", "--yes", "-o", "json"))
    with pytest.raises(people.exceptions.ParameterNotFound):
        people.get_parameter(Name=name)


def test_a_name_that_aws_does_not_take_is_refused_before_a_key_is_made(team: Team, user: User) -> None:
    """With the prefix of the store and the team's the parameter would have seventeen levels."""
    deep = "/".join(["x"] * 15)
    refused(team.put(team.uri("ssm", deep), user=user), 3)
    ok(team.put(team.uri("sm", deep), user=user))
