"""What the settings of AWS stores may say, and the least policy for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monoskope.api.secrets.v1.options_pb2 import AwsOptions, Label, VaultOptions
from monoskope.errors import UsageError
from monoskope.protocol.payload import Payload, encode
from monoskope.settings import convert
from monoskope.stores.aws.client import AwsClient
from monoskope.stores.aws.config import AwsConfig, ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore
from monoskope.stores.driver import StoreRefusedError
from monoskope.testing.drivers.harness import sized

BOTH = pytest.mark.parametrize("kind", [SecretsManagerConfig, ParameterStoreConfig])


def read(kind: type[AwsConfig], **changes: Any) -> AwsConfig:
    return convert({"region": "eu-central-1"} | changes, kind, where="reactor.toml")


def secrets_manager(**changes: Any) -> SecretsManagerStore:
    config = convert({"region": "eu-central-1"} | changes, SecretsManagerConfig, where="reactor.toml")
    return SecretsManagerStore(config, AwsClient("secretsmanager", config))


def parameter_store(**changes: Any) -> ParameterStore:
    config = convert({"region": "eu-central-1"} | changes, ParameterStoreConfig, where="reactor.toml")
    return ParameterStore(config, AwsClient("ssm", config))


@BOTH
def test_defaults_are_the_cautious_ones(kind: type[AwsConfig]) -> None:
    config = read(kind)
    assert (config.readable, config.layout, config.binary, config.endpoint_url) == (False, "json", "refuse", None)


@BOTH
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "Frankfurt"),
        ("region", ""),
        ("region", "eu-central-1.evil.example"),
        ("endpoint_url", "http://aws.example"),
        ("endpoint_url", "http://127.0.0.1.evil.example:80"),
        ("endpoint_url", "https://a/b"),
        ("endpoint_url", "https://u:p@a"),
        ("kms_key_id", "a key"),
        ("kms_key_id", ""),
        ("prefix", "/m8"),
        ("prefix", "m8/"),
        ("prefix", "a/../b"),
        ("raw_key", "no key"),
        ("layout", "yaml"),
        ("binary", "hex"),
        ("max_plaintext", 1_000),
        ("timeout_s", 0),
        ("timeout_s", 31),
        ("connect_timeout_s", 31),
        ("access_key_id", "AKIA"),
        ("profile", "m8"),
    ],
)
def test_a_wrong_field_is_named(kind: type[AwsConfig], field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        read(kind, **{field: value})


@pytest.mark.parametrize("days", [0, 6, 31])
def test_the_recovery_window_is_what_aws_allows(days: int) -> None:
    with pytest.raises(UsageError, match="recovery_window_days"):
        read(SecretsManagerConfig, recovery_window_days=days)


@pytest.mark.parametrize("prefix", ["aws", "AWS-team/x", "ssm", "Ssmx"])
def test_a_prefix_that_aws_reserves_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="prefix"):
        read(ParameterStoreConfig, prefix=prefix)
    assert read(SecretsManagerConfig, prefix=prefix).prefix == prefix


def test_base64_goes_with_json_alone() -> None:
    with pytest.raises(UsageError, match="binary"):
        read(SecretsManagerConfig, layout="raw", binary="base64")


# --- names ---


@pytest.mark.parametrize("path", [("aws",), ("AwsX", "y"), ("ssm-keys", "y"), ("SSM",)])
def test_names_that_aws_reserves_are_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(StoreRefusedError, match="aws or ssm"):
        parameter_store().check(path, None)
    parameter_store(prefix="m8").check(path, None)
    secrets_manager().check(path, None)


def test_a_parameter_has_at_most_fifteen_levels() -> None:
    parameter_store(prefix="m8").check(("x",) * 14, None)
    with pytest.raises(StoreRefusedError, match="15 levels"):
        parameter_store(prefix="m8").check(("x",) * 15, None)
    secrets_manager(prefix="m8").check(("x",) * 16, None)


def test_names_are_as_long_as_aws_takes_them() -> None:
    prefix = "/".join(["p" * 127] * 4)
    secrets_manager(prefix=prefix[:-1]).check(("n",), None)
    with pytest.raises(StoreRefusedError, match="512 characters"):
        secrets_manager(prefix=prefix).check(("n",), None)
    parameter_store(prefix=prefix).check(("n",), None)
    for length in (128, 127):
        long = ("n" * 128,) * 2 + ("n" * length,)
        name = f"arn:aws-us-gov:ssm:eu-central-1:123456789012:parameter/{prefix}/{'/'.join(long)}"
        assert len(name) < 1_011
        parameter_store(prefix=prefix).check(long, None)
    with pytest.raises(StoreRefusedError, match="characters"):
        parameter_store(prefix="/".join(["p" * 127] * 5)).check(("n" * 128,) * 3, None)


# --- tags ---


@pytest.mark.parametrize(
    "tags",
    [
        {"aws:x": "y"},
        {"AWS:x": "y"},
        {"": "y"},
        {"a\tb": "y"},
        {"x": "y\nz"},
        {"x": "aws:y"},
        {"x" * 129: "y"},
        {"x": "y" * 257},
        {"x": "<y>"},
        {"a,b": ""},
        {"m8_binary": "no"},
        {f"tag-{number}": "" for number in range(51)},
    ],
)
def test_tags_that_aws_does_not_take_are_refused(tags: dict[str, str]) -> None:
    options = AwsOptions(tags=[Label(name=name, value=value) for name, value in tags.items()])
    for store in (secrets_manager(), parameter_store()):
        with pytest.raises(StoreRefusedError, match="tag"):
            store.check(("app",), options)


def test_other_tags_are_taken_and_other_options_are_not() -> None:
    tags = {"Kostenstelle": "über 5", "a:b/c=d+e-f@g.h_i": ""}
    for store in (secrets_manager(), parameter_store()):
        store.check(("app",), AwsOptions(tags=[Label(name=name, value=value) for name, value in tags.items()]))
        with pytest.raises(StoreRefusedError, match="options"):
            store.check(("app",), VaultOptions())


# --- sizes ---


@pytest.mark.parametrize(
    ("store", "limit", "announced"),
    [
        (secrets_manager(), 65_536, 8_192),
        (secrets_manager(layout="raw", raw_key="k"), 65_536, 65_536),
        (parameter_store(), 4_096, 512),
        (parameter_store(tier="advanced"), 8_192, 1_024),
        (parameter_store(layout="raw", raw_key="k"), 4_096, 4_096),
        (parameter_store(layout="raw", raw_key="k", tier="advanced"), 8_192, 8_192),
    ],
)
def test_what_is_announced_always_fits_and_what_does_not_is_refused(
    store: SecretsManagerStore | ParameterStore, limit: int, announced: int
) -> None:
    assert store.capabilities.max_plaintext == announced
    for filler in (b"x", b"\x01", b'"', b"{"):
        largest = sized(announced, filler)
        assert len(encode(largest)) == announced
        assert len((store._layout.to_engine(largest).text or "").encode()) <= limit
    with pytest.raises(StoreRefusedError, match=str(limit)):
        store._layout.to_engine(Payload({"k": b"x" * (limit + 1)}))


def test_one_byte_decides() -> None:
    """moto takes any size, so the limits of AWS are ours to keep."""
    raw = secrets_manager(layout="raw")._layout
    raw.to_engine(Payload({"value": b"x" * 65_536}))
    raw.to_engine(Payload({"value": b"\xff" * 65_536}))
    for value in (b"x" * 65_537, b"\xff" * 65_537, "ä".encode() * 32_769):
        with pytest.raises(StoreRefusedError, match="65536"):
            raw.to_engine(Payload({"value": value}))


def test_an_administrator_may_announce_more() -> None:
    assert secrets_manager(max_plaintext=65_536).capabilities.max_plaintext == 65_536


# --- raw ---


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"other": b"x"}, "one key, value"),
        ({"value": b"x", "other": b"y"}, "one key, value"),
        ({"value": b""}, "empty"),
    ],
)
def test_a_raw_store_takes_one_value(values: dict[str, bytes], word: str) -> None:
    for store in (secrets_manager(layout="raw"), parameter_store(layout="raw")):
        with pytest.raises(StoreRefusedError, match=word):
            store._layout.to_engine(Payload(values))


@pytest.mark.parametrize(("value", "word"), [(b"\xff", "UTF-8"), (b"a {{b}} c", "{{"), (b"{{\n}}", "{{")])
def test_parameter_store_takes_raw_text_alone(value: bytes, word: str) -> None:
    with pytest.raises(StoreRefusedError, match=word):
        parameter_store(layout="raw")._layout.to_engine(Payload({"value": value}))


def test_each_store_says_how_a_secret_lies_there() -> None:
    assert (
        secrets_manager().capabilities.layout == "one JSON object of all keys and their text values, in SecretString."
    )
    assert "tls.key" in secrets_manager(layout="raw", raw_key="tls.key").capabilities.layout
    assert "SecureString" in parameter_store().capabilities.layout


TABLE = {"region": "eu-central-1", "prefix": "m8"}


def statements(*prefixes: tuple[str, ...], **changes: Any) -> list[dict[str, Any]]:
    config = convert(TABLE | changes, SecretsManagerConfig, where="x")
    statements: list[dict[str, Any]] = json.loads(SecretsManagerStore.policy(config, prefixes))["Statement"]
    return statements


def parameters(*prefixes: tuple[str, ...], **changes: Any) -> list[dict[str, Any]]:
    config = convert(TABLE | changes, ParameterStoreConfig, where="x")
    statements: list[dict[str, Any]] = json.loads(ParameterStore.policy(config, prefixes))["Statement"]
    return statements


def test_a_write_only_store_may_read_no_value() -> None:
    [statement] = statements(())
    assert "secretsmanager:GetSecretValue" not in statement["Action"]
    assert statement["Resource"] == ["arn:aws:secretsmanager:eu-central-1:*:secret:m8/*"]
    assert not any("Delete" in action or "Restore" in action for action in statement["Action"])
    granted, key = parameters((), kms_key_id="1234")
    assert granted["Resource"] == ["arn:aws:ssm:eu-central-1:*:parameter/m8/*"]
    assert key["Action"] == ["kms:Encrypt"]
    assert key["Resource"] == ["arn:aws:kms:eu-central-1:*:key/1234"]


def test_what_is_configured_is_granted() -> None:
    [statement] = statements((), readable=True, deletable=True, binary="base64")
    for right in ("GetSecretValue", "DeleteSecret", "RestoreSecret", "TagResource"):
        assert f"secretsmanager:{right}" in statement["Action"]
    granted, key = parameters((), readable=True, deletable=True, kms_key_id="alias/m8", tier="advanced")
    assert "ssm:DeleteParameter" in granted["Action"]
    assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert key["Condition"]["ForAnyValue:StringEquals"] == {"kms:ResourceAliases": "alias/m8"}
    assert key["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}


def test_restoring_is_granted_where_it_is_configured_without_deleting() -> None:
    [statement] = statements((), restorable=True)
    assert "secretsmanager:RestoreSecret" in statement["Action"]
    assert "secretsmanager:DeleteSecret" not in statement["Action"]
    [without] = statements(())
    assert "secretsmanager:RestoreSecret" not in without["Action"]


def test_only_the_served_prefixes_and_the_probe_are_granted() -> None:
    [statement] = statements(("team-a",), ("team-b", "x"))
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
