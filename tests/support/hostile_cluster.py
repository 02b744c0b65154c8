"""A cluster of real parts in which everybody dials a hostile m8, behind which the real one runs."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monoskope.client import Client
from monoskope.client.settings import load_settings
from monoskope.testing.cluster import MOUNT, PREFIX, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.openbao_admin import OpenBaoError
from monoskope.testing.parts import free_port, listens, wait_until
from tests.support.engines import AgeEngine, OpenBaoEngine, Version
from tests.support.hostile_m8 import HostileM8
from tests.support.quick_cluster import QuickCluster

KV1 = "elder"
"""The store of a KV version 1 engine, and where that is mounted."""

STORES = {"vault": "vault", "local": "age", KV1: "vault-kv1"}
"""The kind of each store's engine."""

_PAUSE_S = 2.0
"""After so long without a test of an attack, reactors may have been taken for gone."""

YOUNG_S = 0.8
"""For how long a key counts as young where a test says so.

The look at what is there, which begins with each key, has to end within it, also on a busy machine.
"""

QUICK = {"tick": 0.1, "backoff_least": 0.1, "backoff_most": 0.3, "append_retry": 0.2, "drain": 2.0}
PATIENT_LIMITS = {"uploads_per_second": 1_000}


def young(seconds: float = YOUNG_S) -> dict[str, object]:
    """The `[timings]` of a reactor for which a key is young for so long."""
    return {"young": seconds}


LIMITS = {"handshakes": 100_000, "handshakes_per_address": 100_000, "failed_logins": 1_000}
"""Of the real m8, to which all connections come from the proxy's address."""


class ProxiedCluster(QuickCluster):
    """A cluster whose `server` is the proxy's address; m8 itself listens at `real`.

    A user may have any number of requests open: a hostile m8 has no such limit, and leaves many behind.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.real = f"127.0.0.1:{free_port()}"

    def start_m8(self) -> None:
        """Lay out m8's folder at the first call, with the proxy's address among its names, and start it."""
        if not (self.folder / "m8" / "m8.toml").exists():
            self.must("m8", "init", "folder", "--dir", "m8", "--listen", self.real, "--name", self.server)
            with editing(self.folder / "m8" / "m8.toml") as table:
                table |= {"open_requests_per_user": 10_000, "limits": LIMITS}
        self.m8.start()
        self.m8.wait_for(lambda: listens(self.real))


@dataclass(frozen=True, slots=True)
class Serving:
    replicas: int
    timings: dict[str, object]
    limits: dict[str, object]
    engine: dict[str, object]


@dataclass
class HostileCluster:
    """Stores, reactors, users and the hostile m8 between them. Made on one event loop, and used on that alone."""

    cluster: ProxiedCluster
    m8: HostileM8
    _serving: dict[str, Serving] = field(default_factory=dict)
    _used: float = field(default_factory=time.monotonic)
    """When the last test asked for reactors, monotonic seconds."""
    _made: set[str] = field(default_factory=set)
    _engines: dict[str, dict[str, Any]] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _sharing: threading.Lock = field(default_factory=threading.Lock)

    async def serve(
        self,
        store: str,
        *,
        replicas: int = 1,
        timings: Mapping[str, object] | None = None,
        limits: Mapping[str, object] | None = None,
        engine: Mapping[str, object] | None = None,
        fresh: bool = False,
    ) -> None:
        """Have exactly so many reactors of `store` run, with these settings; they go on running if they do already.

        Args:
            store: One of `STORES`, made at the first call.
            replicas: 1 or 2.
            timings: Added to `QUICK`.
            limits: Added to `PATIENT_LIMITS`.
            engine: Changes to the engine's table.
            fresh: Start them anew all the same: they have counted nothing yet.
        """
        wanted = Serving(replicas, QUICK | dict(timings or {}), PATIENT_LIMITS | dict(limits or {}), dict(engine or {}))
        async with self._locks.setdefault(store, asyncio.Lock()):
            if fresh:
                self._serving.pop(store, None)
            if self._serving.get(store) != wanted:
                await asyncio.to_thread(self._serve, store, wanted)
            elif time.monotonic() - self._used > _PAUSE_S:
                await asyncio.to_thread(self._wait_for, store, replicas)
            self._serving[store], self._used = wanted, time.monotonic()

    async def prepare(self, *stores: str) -> None:
        await asyncio.to_thread(self._make, "reactor-vault", "vault")
        await asyncio.gather(*(asyncio.to_thread(self._make, f"reactor-{store}", store) for store in stores))

    async def monoctl(self, user: User, *arguments: str, input: bytes = b"") -> Ran:  # noqa: A002 - as subprocess
        return await asyncio.to_thread(user.monoctl, *arguments, input=input)

    def client(self, user: User, **more: Any) -> Client:
        """Return a client of the SDK for a user, with the user's pins, which dials the proxy."""
        config = user.token_file.parent / "config.toml"
        settings = load_settings(config=config, environ={"HOME": str(user.home)})
        return Client(settings, system_known_stores=user.home / "none", pause_s=0.05, **more)

    async def holds(self, uri: str) -> dict[str, str] | None:
        """What the engine itself holds at a secret's place, asked past reactors and m8; None for nothing."""
        return await asyncio.to_thread(self._holds, uri)

    def history(self, uri: str) -> list[Version]:
        """Every version that the engine has of a secret, the oldest first; not of a KV version 1 engine."""
        store, _, path = uri.partition("://")
        home = self.cluster.folder / f"reactor-{store}"
        return (AgeEngine(home) if STORES[store] == "age" else OpenBaoEngine(self.cluster.bao)).history(path)

    def _holds(self, uri: str) -> dict[str, str] | None:
        store, _, path = uri.partition("://")
        if store != KV1:
            history = self.history(uri)
            return history[-1].content if history else None
        try:
            found: dict[str, str] = self.cluster.bao.call("GET", f"{KV1}/{PREFIX}/{path}")["data"]
        except OpenBaoError:
            return None
        return found

    def add_user(self, name: str, prefixes: Sequence[str], **more: Any) -> User:
        return self.cluster.add_user(name, prefixes=prefixes, **more)

    def _wait_for(self, store: str, replicas: int) -> None:
        """Wait until all are attached again: while tests of other files ran, the proxy's event loop stood still."""
        wait_until(lambda: len(self.cluster.attached(store)) >= replicas, what=f"{store} is attached again")

    def _serve(self, store: str, wanted: Serving) -> None:
        homes, running = self._homes(store), self._serving.get(store)
        keep = running is not None and dataclasses.replace(running, replicas=wanted.replicas) == wanted
        for home in homes[wanted.replicas if keep else 0 :]:
            if (part := self.cluster.reactors.get(home)) is not None:
                part.stop()
        self.cluster.wait_until_detached(store, min(wanted.replicas, running.replicas) if keep and running else 0)
        for home in homes[: wanted.replicas]:
            self._make(home, store)
            if self.cluster.reactors.get(home) is None or self.cluster.reactors[home].pid is None:
                self._write(home, wanted, store)
                self.cluster.start_reactor(store, folder=home)

    def _homes(self, store: str) -> list[str]:
        return [f"reactor-{store}", f"reactor-{store}-2"]

    def _make(self, home: str, store: str) -> None:
        if home in self._made:
            return
        if STORES[store] == "age":
            self.cluster.make_local_reactor(store, folder=home)
        else:
            mount = KV1 if store == KV1 else MOUNT
            self.cluster.make_vault_reactor(store, folder=home, readable=True, kind=STORES[store], mount=mount)
        first = "reactor-vault"
        with self._sharing:
            self.cluster.share_fingerprint_key(first, *([home] if home != first else []))
        if home == f"reactor-{store}":
            self.cluster.add_store(store)
        with self._settings(home) as table:
            if STORES[store] == "age" and home != f"reactor-{store}":
                # Both replicas keep the same files, under the same key.
                table["engine"] = self._engines[f"reactor-{store}"]
            self._engines[home] = table["engine"]
        self._made.add(home)

    def _write(self, home: str, wanted: Serving, store: str) -> None:
        with self._settings(home) as table:
            table |= {"timings": wanted.timings, "limits": wanted.limits}
            table["engine"] = self._engines[home] | wanted.engine
            table["copy"] = [
                {"to": other, "identity": identity, "paths": [{"from": "", "to": ""}]}
                for other, identity in self.cluster.identities.items()
                if other != store
            ]

    def _settings(self, home: str) -> AbstractContextManager[dict[str, Any]]:
        return editing(self.cluster.folder / home / "reactor.toml")
