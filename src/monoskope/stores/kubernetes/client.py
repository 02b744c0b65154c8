"""Requests to a Kubernetes API server: how it is found, how the reactor logs in, and what failures mean.

A reactor finds its cluster from inside a pod, or by a kubeconfig file.

A kubeconfig that would run a program, weaken TLS or send requests elsewhere is refused, and so are unknown fields.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from monoskope.errors import docs_page
from monoskope.settings import read_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.kubernetes.config import InCluster, Kubeconfig, KubernetesConfig
from monoskope.stores.shared.http import JSON, EngineHttp, HttpAnswer, Refusal, expect_ok
from monoskope.stores.shared.trust import refused, show_pair, trusting_text
from monoskope.value import Unshared

_SERVER = re.compile(r"https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}", re.ASCII)
_CLUSTER = {"server", "certificate-authority", "certificate-authority-data"}
_USER = {"token", "tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
_WITHOUT_EFFECT = {"extensions", "disable-compression"}


@dataclass(frozen=True, slots=True)
class Access(Unshared):
    """A cluster, and how requests to it are made."""

    server: str
    """`https://HOST[:PORT][/PATH]`, no slash at the end."""
    tls: ssl.SSLContext
    token_text: str = field(default="", repr=False)
    token_file: str = ""

    def token(self) -> str:
        """Return the bearer token as it is now, "" if a client certificate is shown instead.

        Raises:
            StoreRefusedError: the token's file cannot be read.
        """
        if not self.token_file:
            return self.token_text
        try:
            return _checked_token(Path(self.token_file).read_text(encoding="ascii").strip(), self.token_file)
        except (OSError, UnicodeDecodeError):
            raise StoreRefusedError(f"{self.token_file} cannot be read.", fix="Check the pod's mounts.") from None


def access(auth: InCluster | Kubeconfig, state_dir: Path) -> Access:
    """Return how to reach the cluster; `state_dir` is the reactor's own folder.

    Raises:
        StoreRefusedError: the environment or a file does not say so, or in a way that is refused; names it.
    """
    return _in_cluster(auth) if isinstance(auth, InCluster) else _from_kubeconfig(auth, state_dir)


def _in_cluster(auth: InCluster) -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    server = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    if _SERVER.fullmatch(server) is None:
        raise StoreRefusedError(
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name a cluster.",
            fix='Run the reactor in a pod, or use method = "kubeconfig".',
        )
    try:
        authority = Path(auth.ca_file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise StoreRefusedError(f"{auth.ca_file} cannot be read.", fix="Mount the service account's token.") from None
    found = Access(server, trusting_text(authority, auth.ca_file), token_file=auth.token_file)
    found.token()
    return found


def _from_kubeconfig(auth: Kubeconfig, state_dir: Path) -> Access:
    with refused():
        content = read_private(Path(auth.file))
    try:
        parsed = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        raise StoreRefusedError(f"{auth.file} is not a kubeconfig.", fix="Write one with kubectl config view --raw.")
    context = _named(parsed, "contexts", "context", auth.context or parsed.get("current-context"), auth.file)
    cluster = _named(parsed, "clusters", "cluster", context.get("cluster"), auth.file)
    user = _named(parsed, "users", "user", context.get("user"), auth.file)
    if cluster.get("insecure-skip-tls-verify") is False:
        del cluster["insecure-skip-tls-verify"]
    _refuse_others(cluster, _CLUSTER, auth.file)
    _refuse_others(user, _USER, auth.file)
    server = str(cluster.get("server", ""))
    if _SERVER.fullmatch(server) is None:
        raise StoreRefusedError(f"{auth.file}: server must be https://HOST[:PORT].", fix="Correct it.")
    folder = Path(auth.file).parent
    tls = trusting_text(_content(cluster, "certificate-authority", folder, auth.file), auth.file)
    _show_certificate(tls, user, auth.file, state_dir)
    token = user.get("token")
    if token is not None:
        _checked_token(token, auth.file)
    elif "tokenFile" not in user and "client-certificate" not in user and "client-certificate-data" not in user:
        raise StoreRefusedError(f"{auth.file}: the user has no token and no client certificate.", fix="Give it one.")
    file = str(folder / str(user["tokenFile"])) if "tokenFile" in user and token is None else ""
    return Access(server.rstrip("/"), tls, token or "", file)


def _named(parsed: Mapping[str, Any], many: str, one: str, name: object, file: str) -> dict[str, Any]:
    """Return the entry `name` of a kubeconfig's list."""
    listed = parsed.get(many)
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("name") == name and isinstance(each.get(one), dict):
            return dict(each[one])
    raise StoreRefusedError(f"{file} has no {one} of that name.", fix="Set context to one that is there.")


def _refuse_others(table: Mapping[str, Any], known: set[str], file: str) -> None:
    for name in table:
        if name == "exec":
            raise StoreRefusedError(
                f"{file} has a credential plugin (exec): the reactor runs no programs.",
                fix="Give it a token or a client certificate, or run it in the cluster.",
            )
        if name not in known | _WITHOUT_EFFECT:
            raise StoreRefusedError(f"{file} has {name!r}, which is not supported.", fix="Make one without it.")


def _content(table: Mapping[str, Any], name: str, folder: Path, file: str) -> str | None:
    """Return the PEM text of a kubeconfig's `name`, given in place or as a file; None if there is none."""
    try:
        if f"{name}-data" in table:
            return base64.b64decode(str(table[f"{name}-data"]), validate=True).decode("ascii")
        if name in table:
            return (folder / str(table[name])).read_text(encoding="ascii")
    except (OSError, ValueError, binascii.Error):
        raise StoreRefusedError(f"{file}: {name} cannot be read.", fix="Correct it.") from None
    return None


def _show_certificate(tls: ssl.SSLContext, user: Mapping[str, Any], file: str, state_dir: Path) -> None:
    names = ("client-key", "client-certificate")
    key, certificate = (_content(user, name, Path(file).parent, file) for name in names)
    if certificate is None and key is None:
        return
    try:
        show_pair(tls, (key or "").encode("ascii"), (certificate or "").encode("ascii"), state_dir)
    except (OSError, ValueError):
        raise StoreRefusedError(
            f"{file}: client-certificate and client-key are not a pair.", fix="Give both, without a passphrase."
        ) from None


def _checked_token(token: object, file: str) -> str:
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise StoreRefusedError(f"{file} does not hold a token of printable ASCII.", fix="Write it again.")
    return token


METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""The representation of an object that leaves its content out."""

_DRIVERS_OWN = frozenset({404, 409})
"""Refusals of which the driver itself makes sense."""
_REFUSALS = {
    401: Refusal("the cluster does not accept the credentials.", "Give the reactor others."),
    403: Refusal("the cluster's roles do not allow this.", f"Grant the role in {docs_page('stores/kubernetes.md')}."),
    413: Refusal("the secret is larger than the cluster takes.", "Store a smaller secret."),
    422: Refusal(
        "the cluster takes no such Secret.", "Check that its type and its keys fit, and that it is not immutable."
    ),
}
_REFUSED = Refusal("the cluster refused the request.", "Look into its audit log for the reason.")


class KubernetesHttp(EngineHttp):
    """One cluster with a pool of connections. Made inside a running event loop; `close` it."""

    engine = "the cluster"
    wait = ("the cluster asks to wait.", "Try again later.")
    redirect_fix = "Name the API server itself."
    untrusted_fix = "Give the certificate of the authority that signed it, and an address that is in it."
    failed_fix = "Look into the server's log."

    def __init__(self, config: KubernetesConfig, access: Access) -> None:
        super().__init__(access.tls, config)
        self._access = access

    async def send(
        self, method: str, path: str, *, accept: str = METADATA, body: object | None = None, writes: bool = False
    ) -> HttpAnswer:
        """Send one request and return its answer; 404 and 409 are answers. Raises as `EngineHttp.exchange`.

        Args:
            method: GET, POST, PUT or DELETE.
            path: What follows the server's address, of characters that need no escape.
            accept: The representation that is wanted.
            body: Sent as JSON.
            writes: Whether the request would change a Secret.

        Raises:
            StoreRefusedError: the cluster will not do this; nothing was changed.
        """
        headers, token = {"Accept": accept}, self._access.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = JSON
            content = json.dumps(body).encode("ascii")
        answer = await self.exchange(method, self._access.server + path, headers, content, writes=writes)
        if answer.status not in _DRIVERS_OWN:
            expect_ok(answer, _REFUSALS, otherwise=_REFUSED)
        return answer
