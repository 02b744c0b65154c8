"""Which paths are Secrets, which options are taken, and what the settings of a Kubernetes store may say."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from monoskope.api.secrets.v1.options_pb2 import AwsOptions, KubernetesOptions, Label
from monoskope.errors import UsageError
from monoskope.settings import convert
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.kubernetes.config import KubernetesConfig, place_of, wishes_of
from monoskope.stores.kubernetes.object import changed, checked, version_of
from monoskope.stores.kubernetes.secrets import KubernetesStore

GOOD: dict[str, Any] = {"auth": {"method": "in-cluster"}}


def read(**changes: Any) -> KubernetesConfig:
    return convert(GOOD | changes, KubernetesConfig, where="reactor.toml")


@pytest.mark.parametrize("path", [("apps", "db"), ("a-1", "a.b-c.d"), ("0", "x" * 253), ("n" * 63, "0")])
def test_a_path_is_a_namespace_and_a_name(path: tuple[str, ...]) -> None:
    place = place_of(path, None)
    assert (place.namespace, place.name) == path
    assert place_of(path[1:], "apps").url == f"/api/v1/namespaces/apps/secrets/{path[1]}"


@pytest.mark.parametrize(
    "path",
    [
        ("db",),
        ("apps", "db", "x"),
        ("Apps", "db"),
        ("apps", "DB"),
        ("apps", "a_b"),
        ("apps", "a..b"),
        ("apps", "a."),
        ("apps", "a-"),
        ("apps", "a.-b"),
        ("a.b", "db"),
        ("n" * 64, "db"),
        ("apps", "x" * 254),
        ("-a", "db"),
        ("apps", "_x"),
    ],
)
def test_any_other_path_is_refused_and_not_bent(path: tuple[str, ...]) -> None:
    with pytest.raises(StoreRefusedError):
        place_of(path, None)


@pytest.mark.parametrize("path", [("apps", "db"), ()])
def test_with_a_namespace_of_its_own_a_path_is_a_name(path: tuple[str, ...]) -> None:
    with pytest.raises(StoreRefusedError, match="name"):
        place_of(path, "apps")


@pytest.mark.parametrize(
    "options",
    [
        KubernetesOptions(type="kubernetes.io/service-account-token"),
        KubernetesOptions(type="bootstrap.kubernetes.io/token"),
        KubernetesOptions(type="a b"),
        KubernetesOptions(labels=[Label(name="", value="x")]),
        KubernetesOptions(labels=[Label(name="a", value="b c")]),
        KubernetesOptions(labels=[Label(name="-a", value="b")]),
        KubernetesOptions(labels=[Label(name="x" * 64, value="b")]),
        KubernetesOptions(labels=[Label(name="a", value="x" * 64)]),
        KubernetesOptions(labels=[Label(name="UPPER/a", value="x")]),
        KubernetesOptions(labels=[Label(name="/a", value="x")]),
        KubernetesOptions(labels=[Label(name="a.b/c/d", value="x")]),
        AwsOptions(),
        {"type": "Opaque"},
    ],
)
def test_options_that_a_cluster_does_not_take_are_refused(options: object) -> None:
    with pytest.raises(StoreRefusedError):
        wishes_of(options)


def test_options_that_a_cluster_takes() -> None:
    labels = [Label(name="app", value=""), Label(name="example.com/Part-Of", value="A.b_c")]
    wishes = wishes_of(KubernetesOptions(type="kubernetes.io/tls", labels=labels))
    assert wishes.labels == {"app": "", "example.com/Part-Of": "A.b_c"}
    assert wishes_of(None) == wishes_of(KubernetesOptions())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namespace", "Apps"),
        ("namespace", "a.b"),
        ("namespace", ""),
        ("timeout_s", 31),
        ("connect_timeout_s", 0),
        ("max_plaintext", 1000),
        ("token", "x"),
        ("auth", {"method": "password"}),
        ("auth", {"method": "kubeconfig"}),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=field):
        read(**{field: value})


def test_a_role_is_no_wider_than_what_is_served() -> None:
    roles = list(yaml.safe_load_all(KubernetesStore.policy(read(), (("apps",), ("team-a", "db")))))
    assert [(role["kind"], role["metadata"]["namespace"]) for role in roles] == [("Role", "apps"), ("Role", "team-a")]
    assert roles[0]["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "update"]}]
    [role] = yaml.safe_load_all(KubernetesStore.policy(read(deletable=True), ((),)))
    assert role["kind"] == "ClusterRole"
    assert "delete" in role["rules"][0]["verbs"]


META = {"uid": "a", "resourceVersion": "1"}


@pytest.mark.parametrize(
    "found",
    [
        {"metadata": None},
        {"metadata": META, "data": []},
        {"metadata": META | {"labels": []}},
        {"metadata": META | {"annotations": "x"}},
        {"metadata": META | {"managedFields": 1}},
        {"metadata": META | {"managedFields": [1]}},
        {"metadata": META | {"managedFields": [{"fieldsV1": {"f:data": []}}]}},
    ],
)
def test_an_answer_of_other_types_is_no_secret(found: dict[str, Any]) -> None:
    assert checked({"metadata": META, "data": {}})
    with pytest.raises(StoreRefusedError, match="not that of a Kubernetes API server"):
        checked(found)


@pytest.mark.parametrize("metadata", [None, {**META, "uid": 1}, {**META, "resourceVersion": 1}, {**META, "uid": ""}])
def test_a_secret_without_a_version_is_none(metadata: object) -> None:
    assert version_of({"metadata": META}) == "a:1"
    with pytest.raises(StoreRefusedError, match="not that of a Kubernetes API server"):
        version_of({"metadata": metadata})


@pytest.mark.parametrize(
    ("found", "kind", "why"),
    [({"immutable": True}, "", "immutable"), ({"type": "Opaque"}, "kubernetes.io/tls", "type never changes")],
)
def test_what_cannot_change_is_refused_before_anything_is_sent(found: dict[str, Any], kind: str, why: str) -> None:
    with pytest.raises(StoreRefusedError, match=why):
        changed({"metadata": META} | found, {}, wishes_of(KubernetesOptions(type=kind)), "tag")
