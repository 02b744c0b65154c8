"""What drivers refuse by the values alone, before the reactor compares or announces anything. No engine is asked."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from monoskope.api.secrets.v1.options_pb2 import AwsOptions, KubernetesOptions, Label
from monoskope.protocol.payload import Payload
from monoskope.stores.aws.config import ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore
from monoskope.stores.barbican.config import BarbicanConfig, NoLogin
from monoskope.stores.barbican.secrets import BarbicanStore
from monoskope.stores.driver import StoreDriver, StoreRefusedError
from monoskope.stores.kubernetes.config import InCluster, KubernetesConfig
from monoskope.stores.kubernetes.object import check_type
from monoskope.stores.kubernetes.secrets import KubernetesStore
from monoskope.stores.vault.config import TokenFile, VaultConfig
from monoskope.stores.vault.kv1 import VaultKv1Store
from monoskope.stores.vault.mount import VaultMount

PATH = ("app", "db")
NOT_TEXT = b"\xff\x00"


def vault(kind: type[VaultMount], **changes: Any) -> StoreDriver:
    config = VaultConfig(address="https://vault:8200", mount="secret", auth=TokenFile(token_file="t"), **changes)
    return kind(config, None, None)  # type: ignore[arg-type] # neither is asked


def manager(**changes: Any) -> StoreDriver:
    return SecretsManagerStore(SecretsManagerConfig(region="eu-central-1", **changes), None)  # type: ignore[arg-type]


def parameters(**changes: Any) -> StoreDriver:
    return ParameterStore(ParameterStoreConfig(region="eu-central-1", **changes), None)  # type: ignore[arg-type]


def barbican(**changes: Any) -> StoreDriver:
    config = BarbicanConfig(address="https://barbican:9311", auth=NoLogin(project_id="p"), **changes)
    return BarbicanStore(config, None)  # type: ignore[arg-type]


def json_of(size: int) -> Payload:
    """Return values that lie in JSON as `size` bytes."""
    return Payload({"k": b"x" * (size - len('{"k":""}'))})


EDGES = {
    "a secret": (manager(max_plaintext=131_072), 65_536),
    "a parameter": (parameters(max_plaintext=8_192), 4_096),
    "an advanced parameter": (parameters(tier="advanced", max_plaintext=16_384), 8_192),
    "a raw secret": (manager(layout="raw", raw_key="k", max_plaintext=131_072), 65_536),
}


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("remove", [None, []], ids=["write", "patch"])
def test_one_byte_more_than_aws_holds_is_refused(name: str, remove: list[str] | None) -> None:
    """Whatever an administrator announced as fitting."""
    driver, most = EDGES[name]
    raw = name == "a raw secret"
    fits, large = ((Payload({"k": b"x" * size}) if raw else json_of(size)) for size in (most, most + 1))
    driver.check_payload(PATH, fits, remove=remove, options=None)
    with pytest.raises(StoreRefusedError, match=str(most)):
        driver.check_payload(PATH, large, remove=remove, options=None)


def test_more_than_barbican_takes_is_refused() -> None:
    driver = barbican(max_secret_bytes=1_000)
    driver.check_payload(PATH, json_of(1_000), remove=None, options=None)
    with pytest.raises(StoreRefusedError, match="larger"):
        # As text it is too large, and as bytes it is larger still.
        driver.check_payload(PATH, json_of(1_001), remove=None, options=None)


@pytest.mark.parametrize(
    "driver",
    [manager(), parameters(), parameters(layout="raw", raw_key="k"), vault(VaultKv1Store)],
    ids=["secrets manager", "parameter store", "raw parameter", "vault-kv1"],
)
def test_bytes_are_refused_where_only_text_goes(driver: StoreDriver) -> None:
    with pytest.raises(StoreRefusedError, match="k is not UTF-8 text") as refused:
        driver.check_payload(PATH, Payload({"k": NOT_TEXT}), remove=None, options=None)
    assert "\\xff" not in str(refused.value)


def test_what_aws_could_never_hold_in_a_patch_is_refused() -> None:
    raw = manager(layout="raw", raw_key="k", readable=True)
    raw.check_payload(PATH, None, remove=["other"], options=None)
    with pytest.raises(StoreRefusedError, match="no value"):
        raw.check_payload(PATH, None, remove=["k"], options=None)


def test_one_tag_is_left_to_the_store() -> None:
    """Which needs it when a value lies there as base64, so that the values never decide whether AWS refuses."""
    tags = [Label(name=f"tag-{number:02}", value="v") for number in range(50)]
    manager().check(PATH, AwsOptions(tags=tags[:49]))
    with pytest.raises(StoreRefusedError, match="at most 49 tags"):
        manager().check(PATH, AwsOptions(tags=tags))


KEYS = {"tls.crt": b"c", "tls.key": b"k"}
DOCKER = "kubernetes.io/dockerconfigjson"


@pytest.mark.parametrize(
    ("kind", "values", "remove", "fits"),
    [
        ("", {"k": b"v"}, None, True),
        ("team/own", {"k": b"v"}, None, True),
        ("kubernetes.io/tls", KEYS, None, True),
        ("kubernetes.io/tls", {"tls.crt": b"c"}, None, False),
        ("kubernetes.io/basic-auth", {"username": b"", "k": b"v"}, None, True),
        ("kubernetes.io/basic-auth", {"k": b"v"}, None, False),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": b"k"}, None, True),
        ("kubernetes.io/ssh-auth", {"ssh-privatekey": b""}, None, False),
        ("kubernetes.io/dockercfg", {".dockercfg": b"{}"}, None, True),
        (DOCKER, {".dockerconfigjson": b'{"auths":{}}'}, None, True),
        (DOCKER, {".dockerconfigjson": b"x"}, None, False),
        (DOCKER, {".dockerconfigjson": b"[]"}, None, False),
        (DOCKER, {".dockerconfigjson": b'{"a":1e999}'}, None, False),
        (DOCKER, {".dockerconfigjson": b'{"a":1' + b"0" * 400 + b"}"}, None, False),
        (DOCKER, {".dockerconfigjson": b'{"a":NaN}'}, None, False),
        (DOCKER, {"k": b"{}"}, None, False),
        ("kubernetes.io/tls", {"tls.crt": b"n"}, [], True),
        ("kubernetes.io/tls", {}, ["k"], True),
        ("kubernetes.io/tls", {}, ["tls.key"], False),
        ("kubernetes.io/basic-auth", {}, ["username"], True),
        ("kubernetes.io/basic-auth", {}, ["password", "username"], False),
        ("kubernetes.io/basic-auth", {"password": b"p"}, ["username"], True),
        (DOCKER, {".dockerconfigjson": b"x"}, [], False),
        ("", {}, ["tls.key"], True),
    ],
)
def test_a_kubernetes_secret_of_a_type_has_its_keys_and_keeps_them_in_a_patch(
    kind: str, values: dict[str, bytes], remove: list[str] | None, *, fits: bool
) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(StoreRefusedError, match="of the type"):
        check_type(kind, Payload(values) if values else None, remove)


def test_a_kubernetes_store_asks_for_the_keys_of_the_type() -> None:
    driver = KubernetesStore(KubernetesConfig(auth=InCluster()), None)  # type: ignore[arg-type]
    options = KubernetesOptions(type="kubernetes.io/tls")
    driver.check_payload(PATH, Payload(KEYS), remove=None, options=options)
    with pytest.raises(StoreRefusedError, match="tls"):
        driver.check_payload(PATH, Payload({"k": b"v"}), remove=None, options=options)
