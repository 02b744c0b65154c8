"""How the tests reach the driver `kubernetes`: on a contract server of ours, for there is no cluster here."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path as File
from typing import Any, ClassVar, Self

import yaml

from monoskope.protocol.payload import Payload
from monoskope.settings import write_private
from monoskope.stores.driver import Capabilities, Snapshot, StoreDriver
from monoskope.stores.kubernetes import KubernetesStore
from monoskope.stores.kubernetes_config import Kubeconfig, KubernetesConfig
from monoskope.testing.driver_harness import Harness, Path
from tests.conformance.kubernetes_server import KubernetesServer


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


def place(path: Path) -> Path:
    """The suite's paths, one to one, as paths that a cluster has names for."""
    text = base64.b32encode("/".join(path).encode()).decode().rstrip("=").lower()
    return ("apps", text)


class AnyPath(StoreDriver):
    """The driver under test, with the suite's paths turned into such that the cluster takes."""

    kind: ClassVar[str] = "kubernetes"
    Config = KubernetesConfig

    def __init__(self, inner: KubernetesStore) -> None:
        self.inner = inner

    def __repr__(self) -> str:
        return repr(self.inner)

    @classmethod
    async def open(cls, config: Any, *, state_dir: File) -> Self:
        return cls(await KubernetesStore.open(config, state_dir=state_dir))

    @property
    def capabilities(self) -> Capabilities:
        return self.inner.capabilities

    def check(self, path: Path, options: object | None) -> None:
        self.inner.check(place(path), options)

    async def read_version(self, path: Path) -> str:
        return await self.inner.read_version(place(path))

    async def write(self, path: Path, payload: Payload, **rest: Any) -> str:
        return await self.inner.write(place(path), payload, **rest)

    async def patch(self, path: Path, changes: Payload | None, remove: Sequence[str], **rest: Any) -> str:
        return await self.inner.patch(place(path), changes, remove, **rest)

    async def delete(self, path: Path, **rest: Any) -> None:
        await self.inner.delete(place(path), **rest)

    async def find(self, path: Path, write_tag: str) -> str | None:
        return await self.inner.find(place(path), write_tag)

    async def read(self, path: Path) -> Snapshot | None:
        return await self.inner.read(place(path))

    async def close(self) -> None:
        await self.inner.close()


class KubernetesHarness(Harness):
    bad_options: object = {"type": "Opaque"}

    def __init__(self, server: KubernetesServer, authority: bytes, folder: File, *, readable: bool) -> None:
        self.server = server
        self.folder = folder
        self.readable = readable
        self.file = kubeconfig(folder / "kubeconfig", server.url, authority, {"token": "a-token"})

    def config(self, **changes: Any) -> KubernetesConfig:
        fields: dict[str, Any] = {"auth": Kubeconfig(self.file), "readable": self.readable, "deletable": True}
        return KubernetesConfig(**(fields | changes))

    async def open(self) -> AnyPath:
        return await AnyPath.open(self.config(), state_dir=self.folder)

    async def open_reader(self) -> AnyPath:
        return await AnyPath.open(self.config(readable=True), state_dir=self.folder)

    async def foreign_write(self, path: Path, values: Mapping[str, str]) -> None:
        self.edit(place(path), values)

    def edit(self, at: Path, values: Mapping[str, str]) -> None:
        """As with `kubectl edit`: the values are others, everything else stays as it was."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        if (at[0], at[1]) not in self.server.secrets:
            self.server.create(at[0], {"metadata": {"name": at[1]}, "data": data}, "kubectl-create")
            return
        found = self.server.secrets[at[0], at[1]]
        self.server.update((at[0], at[1]), {**found, "data": data}, "kubectl-edit")

    async def delete(self, path: Path) -> None:
        at = place(path)
        self.server.delete((at[0], at[1]), {})

    async def take_down(self) -> None:
        await self.server.take_down()

    async def bring_up(self) -> None:
        await self.server.bring_up()
