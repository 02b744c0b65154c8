"""The IAM policy that `m8 reactor policy` prints. No AWS is here to enforce it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monoskope.settings import convert
from monoskope.stores.aws.config import ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore

TABLE = {"region": "eu-central-1", "prefix": "m8"}


def secrets_manager(*prefixes: tuple[str, ...], **changes: Any) -> list[dict[str, Any]]:
    config = convert(TABLE | changes, SecretsManagerConfig, where="x")
    statements: list[dict[str, Any]] = json.loads(SecretsManagerStore.policy(config, prefixes))["Statement"]
    return statements


def parameters(*prefixes: tuple[str, ...], **changes: Any) -> list[dict[str, Any]]:
    config = convert(TABLE | changes, ParameterStoreConfig, where="x")
    statements: list[dict[str, Any]] = json.loads(ParameterStore.policy(config, prefixes))["Statement"]
    return statements


def test_a_write_only_store_may_read_no_value() -> None:
    [statement] = secrets_manager(())
    assert "secretsmanager:GetSecretValue" not in statement["Action"]
    assert statement["Resource"] == ["arn:aws:secretsmanager:eu-central-1:*:secret:m8/*"]
    assert not any("Delete" in action or "Restore" in action for action in statement["Action"])
    granted, key = parameters((), kms_key_id="1234")
    assert granted["Resource"] == ["arn:aws:ssm:eu-central-1:*:parameter/m8/*"]
    assert key["Action"] == ["kms:Encrypt"]
    assert key["Resource"] == ["arn:aws:kms:eu-central-1:*:key/1234"]


def test_what_is_configured_is_granted() -> None:
    [statement] = secrets_manager((), readable=True, deletable=True, binary="base64")
    for right in ("GetSecretValue", "DeleteSecret", "RestoreSecret", "TagResource"):
        assert f"secretsmanager:{right}" in statement["Action"]
    granted, key = parameters((), readable=True, deletable=True, kms_key_id="alias/m8", tier="advanced")
    assert "ssm:DeleteParameter" in granted["Action"]
    assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert key["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/m8"}
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}


def test_restoring_is_granted_where_it_is_configured_without_deleting() -> None:
    [statement] = secrets_manager((), restorable=True)
    assert "secretsmanager:RestoreSecret" in statement["Action"]
    assert "secretsmanager:DeleteSecret" not in statement["Action"]
    [without] = secrets_manager(())
    assert "secretsmanager:RestoreSecret" not in without["Action"]


def test_only_the_served_prefixes_and_the_probe_are_granted() -> None:
    [statement] = secrets_manager(("team-a",), ("team-b", "x"))
    names = [resource.partition(":secret:")[2] for resource in statement["Resource"]]
    assert sorted(names) == sorted(
        [each for name in ("team-a", "team-b/x", "m8-probe") for each in (f"m8/{name}", f"m8/{name}-??????")]
        + ["m8/team-a/*", "m8/team-b/x/*"]
    )
    [statement] = parameters(("team-a",))
    names = [resource.partition(":parameter/")[2] for resource in statement["Resource"]]
    assert sorted(names) == ["m8/m8-probe", "m8/team-a", "m8/team-a/*"]


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-east-1", "aws")]
)
def test_the_partition_is_that_of_the_region(region: str, partition: str) -> None:
    [statement] = parameters((), region=region)
    assert statement["Resource"] == [f"arn:{partition}:ssm:{region}:*:parameter/m8/*"]
