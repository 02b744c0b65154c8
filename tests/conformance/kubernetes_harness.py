"""How the tests reach the driver `kubernetes`: on a contract server of ours, for there is no cluster here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path as File
from typing import Any

import yaml

from monoskope.api.secrets.v1.options_pb2 import KubernetesOptions, Label
from monoskope.settings import write_private
from monoskope.stores.kubernetes.config import Kubeconfig, KubernetesConfig
from monoskope.stores.kubernetes.secrets import KubernetesStore
from monoskope.testing.drivers.harness import Harness, Path
from monoskope.testing.drivers.values import OneName, one_name
from tests.conformance.kubernetes_server import KubernetesServer
from tests.conformance.open_stores import OpenStores

TYPES = ("basic-auth", "dockercfg", "dockerconfigjson", "ssh-auth", "tls")


def kubeconfig(file: File, url: str, authority: bytes, user: Mapping[str, Any], **cluster: Any) -> str:
    """Write a kubeconfig with one context and return its path."""
    shown = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode(), **cluster}
    table = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": shown}],
        "users": [{"name": "u", "user": dict(user)}],
    }
    write_private(file, yaml.safe_dump(table).encode(), replace=True)
    return str(file)


class KubernetesHarness(Harness):
    bad_options: object = {"type": "Opaque"}
    more_options = (
        *(KubernetesOptions(type=f"kubernetes.io/{name}") for name in TYPES),
        KubernetesOptions(type="team/own", labels=[Label(name="app", value="db")]),
        KubernetesOptions(type="not a type"),
    )

    def __init__(self, server: KubernetesServer, authority: bytes, folder: File, *, readable: bool) -> None:
        self.server = server
        self.folder = folder
        self.readable = readable
        self.stores = OpenStores()
        self.file = kubeconfig(folder / "kubeconfig", server.url, authority, {"token": "a-token"})

    def config(self, **changes: Any) -> KubernetesConfig:
        fields: dict[str, Any] = {"auth": Kubeconfig(self.file), "readable": self.readable, "deletable": True}
        fields["timeout_s"] = 30.0
        return KubernetesConfig(**(fields | changes))

    async def open(self) -> OneName:
        return await self._opened(self.config())

    async def open_reader(self) -> OneName:
        return await self._opened(self.config(readable=True))

    async def _opened(self, config: KubernetesConfig) -> OneName:
        """Return a driver that takes the suite's paths."""
        return OneName(await KubernetesStore.open(config, state_dir=self.folder), ("apps",))

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        self.edit(("apps", one_name(path)), values)

    def edit(self, at: tuple[str, str], values: Mapping[str, str]) -> None:
        """As with `kubectl edit`: the values are others, everything else stays as it was."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        if at not in self.server.secrets:
            self.server.create(at[0], {"metadata": {"name": at[1]}, "data": data}, "kubectl-create")
            return
        self.server.update(at, {**self.server.secrets[at], "data": data}, "kubectl-edit")

    async def delete(self, path: Path) -> None:
        self.server.delete(("apps", one_name(path)), {})

    async def take_down(self) -> None:
        await self.server.take_down()

    async def bring_up(self) -> None:
        await self.server.bring_up()
