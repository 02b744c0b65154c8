"""The `[engine]` table of a reactor whose engine is a Kubernetes cluster; docs/stores/kubernetes.md has its fields."""

from __future__ import annotations

import re

import msgspec

from monoskope.protocol.payload import MAX_PADDED
from monoskope.stores.shared.config import HttpConfig, check_max_plaintext

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
