"""The `[engine]` table of a reactor whose engine is a Kubernetes cluster; docs/stores/kubernetes.md has its fields."""

from __future__ import annotations

import re

import msgspec

from monoskope.protocol.payload import MAX_PADDED, MIN_PADDED, is_padded_size

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


class KubernetesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which cluster, which part of it is ours, and how to log in."""

    auth: InCluster | Kubeconfig
    namespace: str | None = None
    """The namespace of all secrets; None takes it from the first segment of each path."""
    readable: bool = False
    """Whether to read values back. The cluster cannot withhold them from whoever may replace them."""
    deletable: bool = False
    """Whether the role may delete secrets."""
    max_plaintext: int = MAX_PADDED
    """Largest padded plaintext in bytes."""
    connect_timeout_s: float = 5.0
    """How long connecting, with TLS, may take."""
    timeout_s: float = 10.0
    """How long one request may take in all."""

    def __post_init__(self) -> None:
        if self.namespace is not None and not is_namespace(self.namespace):
            raise ValueError("`namespace` must be 1 to 63 of a-z, 0-9 and '-', neither first nor last a '-'")
        if not is_padded_size(self.max_plaintext):
            raise ValueError(f"`max_plaintext` must be a power of two from {MIN_PADDED} to {MAX_PADDED}")
        if not (0 < self.connect_timeout_s <= 30 and 0 < self.timeout_s <= 30):
            raise ValueError("`connect_timeout_s` and `timeout_s` must be above 0 and at most 30")


def is_namespace(text: str) -> bool:
    """Whether `text` is a label by RFC 1123, as namespaces are named."""
    return _NAMESPACE.fullmatch(text) is not None
