"""What is measured: an m8, an OpenBao, one reactor and its users, each a process of its own; and the direct way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from itertools import count
from pathlib import Path
from types import MappingProxyType

from bench.counts import IN_FLIGHT
from bench.direct import Direct, Place, connected
from bench.machine import say_interpreters
from bench.progress import say
from monoskope.client import Client, ClientSettings, load_settings
from monoskope.stores.vault.config import TokenFile, VaultConfig, policy_of
from monoskope.testing.cluster import MOUNT, PREFIX, Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openbao_files import Storage

STORE = "vault"
VALUES = {"username": b"app", "password": b"correct horse battery staple"}
LIMITS = {"uploads_per_second": 1_000}
"""The one setting that differs from the defaults, which spare the engine."""


class World:
    """Everything, made in `folder` and running after `start`. Every put and every write goes to a new path.

    Args:
        folder: Empty or missing.
        storage: OpenBao's.
        added: To the environment of m8 and of the reactor.
    """

    def __init__(
        self,
        folder: Path,
        *,
        storage: Storage = "pebbledb",
        added: Mapping[str, str] | None = None,
    ) -> None:
        parts = ("m8", f"reactor-{STORE}")
        self.cluster = Cluster(folder, storage=storage, environments={part: added or {} for part in parts})
        self.users: list[User] = []
        """As many as there are puts in flight: each stays within the limits that m8 sets to one user."""
        self._paths = count()
        self._token = ""

    def start(self) -> None:
        """Start everything; the reactor's limit on uploads is raised, all other settings are the defaults."""
        say("starting m8, OpenBao and a reactor")
        cluster = self.cluster
        cluster.start_m8()
        cluster.start_openbao()
        at, token = cluster.bao.address, TokenFile("/t")
        config = VaultConfig(address=at, auth=token, mount=MOUNT, prefix=PREFIX, binary=True, listable=True)
        cluster.bao.write_policy("direct", policy_of(config))
        self._token = cluster.bao.token(["direct"])
        cluster.make_vault_reactor(STORE)
        cluster.share_fingerprint_key(f"reactor-{STORE}")
        self.raise_limits(cluster.folder / f"reactor-{STORE}" / "reactor.toml")
        cluster.add_store(STORE)
        cluster.start_reactor(STORE)
        say_interpreters({"m8": self.m8_pid, "reactor": self.reactor_pid})
        say(f"making {IN_FLIGHT + 2} users")
        self.users = [cluster.add_user(f"user-{number}", prefixes=[f"{STORE}://bench"]) for number in range(IN_FLIGHT)]
        say("the reactor's limits are raised for this bench: " + ", ".join(f"{k} = {v}" for k, v in LIMITS.items()))

    def close(self) -> None:
        """Stop everything."""
        self.cluster.close()

    def new_user(self, name: str) -> User:
        """Return one more user."""
        return self.cluster.add_user(name, prefixes=[f"{STORE}://bench"])

    def path(self) -> str:
        """Return a path at which nothing is."""
        return f"bench/{next(self._paths)}"

    def restart_reactor(self) -> None:
        """Stop the reactor, which gives its keys up, and start it anew.

        Not on a thread of its own: on Linux a part is killed when the thread that started it ends.
        """
        self.cluster.reactors[f"reactor-{STORE}"].stop()
        self.cluster.start_reactor(STORE)

    @property
    def m8_pid(self) -> int:
        """The process id of m8."""
        return self.cluster.pids["m8"]

    @property
    def reactor_pid(self) -> int:
        """The process id of the reactor."""
        return self.cluster.pids[f"reactor-{STORE}"]

    @property
    def direct_environment(self) -> dict[str, str]:
        """What `bao` needs to write as the direct way does: the same rights as the reactor's."""
        bao = self.cluster.bao
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(bao.folder),
            "BAO_ADDR": bao.address,
            "BAO_CACERT": str(bao.ca_file),
            "BAO_TOKEN": self._token,
        }

    @property
    def place(self) -> Place:
        """Where the direct way writes."""
        bao = self.cluster.bao
        values = {key: value.decode() for key, value in VALUES.items()}
        return Place(str(bao.ca_file), self._token, f"{bao.address}/v1/{MOUNT}", PREFIX, values)

    def direct(self) -> AbstractAsyncContextManager[Direct]:
        """Write to OpenBao without Monoskope."""
        return connected(self.place)

    @staticmethod
    def raise_limits(file: Path) -> None:
        """Raise the limits in a reactor's settings."""
        with editing(file) as table:
            table["limits"] = table.get("limits", {}) | LIMITS


def settings_of(user: User) -> ClientSettings:
    """Return with what `user` dials."""
    return load_settings(config=user.token_file.parent / "config.toml", environ={"HOME": str(user.home)})


async def put(client: Client, path: str, values: Mapping[str, bytes] = MappingProxyType(VALUES)) -> None:
    """Put `values` at `path`."""
    await client.put_secret(f"{STORE}://{path}", values)
