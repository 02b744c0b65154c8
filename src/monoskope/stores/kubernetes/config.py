"""The `[engine]` table of a reactor whose engine is a Kubernetes cluster; docs/stores/kubernetes.md has its fields.

Here also stand which Secret a path is and what an upload's options may say, by the rules of the API and kept before any
key is made; and the least rights, as RBAC objects to apply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import yaml

from monoskope.api.secrets.v1.options_pb2 import KubernetesOptions
from monoskope.protocol.payload import MAX_PADDED
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.checks import HttpConfig, check_max_plaintext

_MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


class InCluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="in-cluster"):
    """Use the service account of the pod that the reactor runs in."""

    token_file: str = f"{_MOUNTED}/token"
    """Read for each request, since the cluster replaces it."""
    ca_file: str = f"{_MOUNTED}/ca.crt"
    """The certificates to trust, PEM."""


class Kubeconfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="kubeconfig"):
    """Use a kubeconfig file with a token or a client certificate."""

    file: str
    """A file of mode 0600."""
    context: str | None = None
    """The context to use, None for the file's current one."""


class KubernetesConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Which cluster, which part of it the store uses, and how to log in."""

    auth: InCluster | Kubeconfig
    """How to log in: a table whose `method` names one of the ways below."""
    namespace: str | None = None
    """The namespace of all secrets; None takes it from the first segment of each path."""
    readable: bool = False
    """Whether to read values back. The cluster always lets those read who may replace."""
    deletable: bool = False
    """Whether the role may delete secrets."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.namespace is not None and not is_namespace(self.namespace):
            raise ValueError("`namespace` must be 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'")
        check_max_plaintext(self.max_plaintext)


def is_namespace(text: str) -> bool:
    """Whether `text` is a label by RFC 1123, as namespaces are named."""
    return _NAMESPACE.fullmatch(text) is not None


_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", re.ASCII)
_TYPE = re.compile(r"[A-Za-z0-9./_-]{1,253}", re.ASCII)
_MAX_NAME = 253
_POWERFUL = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types whose Secrets are credentials of the cluster itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """One Secret of the cluster."""

    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The API's path of all Secrets of the namespace."""
        return f"/api/v1/namespaces/{self.namespace}/secrets"

    @property
    def url(self) -> str:
        """The API's path of the Secret."""
        return f"{self.collection}/{self.name}"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an upload's options ask for."""

    type: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def place_of(path: tuple[str, ...], namespace: str | None) -> Place:
    """Return the Secret that `path` names, one to one.

    Raises:
        StoreRefusedError: the path has other segments than those, or one that the cluster does not take.
    """
    found = (namespace, *path) if namespace else path
    if len(found) != 2:
        raise StoreRefusedError(
            "a path in this store is a Secret's name." if namespace else "a path in this store is NAMESPACE/NAME.",
            fix="Write no more and no fewer segments.",
        )
    place = Place(str(found[0]), found[1])
    if not is_namespace(place.namespace):
        raise StoreRefusedError(
            "a namespace has 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'.", fix="Correct the path."
        )
    if len(place.name) > _MAX_NAME or _NAME.fullmatch(place.name) is None:
        raise StoreRefusedError(
            "a Secret's name has 1 to 253 of a-z, 0-9, '-' and '.', a letter or digit at each end and beside each dot.",
            fix="Correct the path.",
        )
    return place


def wishes_of(options: object | None) -> Wishes:
    """Return what the options ask for.

    Raises:
        StoreRefusedError: they are not those of such a store, or the cluster takes no such label or type.
    """
    if options is None:
        return Wishes()
    if not isinstance(options, KubernetesOptions):
        raise StoreRefusedError("these options are not for a Kubernetes store.", fix="Leave them out.")
    if options.type in _POWERFUL:
        raise StoreRefusedError("Secrets of this type are credentials of the cluster itself.", fix="Choose another.")
    if options.type and _TYPE.fullmatch(options.type) is None:
        raise StoreRefusedError("a Secret's type is a name such as kubernetes.io/tls.", fix="Correct it.")
    for label in options.labels:
        prefix, slash, name = label.name.rpartition("/")
        if slash and (len(prefix) > _MAX_NAME or _NAME.fullmatch(prefix) is None):
            raise StoreRefusedError("the prefix of a label is a domain's name.", fix="Rename the label.")
        if _LABEL.fullmatch(name) is None or (label.value and _LABEL.fullmatch(label.value) is None):
            raise StoreRefusedError(
                "a label's name and value have at most 63 letters, digits and - _ ., a letter or digit at each end.",
                fix="Change the label.",
            )
    return Wishes(options.type, {label.name: label.value for label in options.labels})


NAME = "monoskope-reactor"


def least_role(config: KubernetesConfig, prefixes: Sequence[tuple[str, ...]]) -> str:
    """Return the narrowest roles for `config`, for a reactor that serves `prefixes`; they are bound by you.

    The cluster has no right to make Secrets of certain names alone, so a role is never narrower than a namespace.
    """
    verbs = ["create", "get", "update", *(["delete"] if config.deletable else [])]
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]
    namespaces = [config.namespace] if config.namespace else sorted({path[0] for path in prefixes if path})
    if not config.namespace and () in prefixes:
        return _text([_role("ClusterRole", {}, rules)])
    return _text([_role("Role", {"namespace": namespace}, rules) for namespace in namespaces])


def _role(kind: str, place: dict[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": NAME, **place}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _text(objects: list[dict[str, Any]]) -> str:
    text: str = yaml.safe_dump_all(objects, sort_keys=False)
    return text
