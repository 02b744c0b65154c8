"""Faults of OpenBao that are not those of a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from monoskope.stores.vault.config import TokenFile, VaultConfig, policy_of
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao import OpenBao

ROLE = "m8-reactor-vault"


@contextmanager
def sealed(bao: OpenBao) -> Iterator[None]:
    bao.call("PUT", "sys/seal")
    yield
    bao.kill()
    bao.start()


@contextmanager
def limiting(bao: OpenBao) -> Iterator[None]:
    """It has a quota that is used up."""
    bao.call("POST", "sys/quotas/rate-limit/none", {"rate": 0.001, "interval": "1h", "path": f"{MOUNT}/"})
    yield
    bao.call("DELETE", "sys/quotas/rate-limit/none")


@contextmanager
def refusing(bao: OpenBao) -> Iterator[None]:
    """The reactor's role may do nothing."""
    bao.write_policy(ROLE, 'path "sys/none" { capabilities = ["read"] }')
    yield
    at, token = bao.address, TokenFile("/t")
    config = VaultConfig(address=at, auth=token, mount=MOUNT, prefix=PREFIX, readable=True, patchable=True)
    config = replace(config, binary=True, deletable=True)
    bao.write_policy(ROLE, policy_of(config))
