"""The stores into which marked values go, each with its engine and a reactor."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.engines import gnupg
from monoskope.testing.engines.barbican import Barbican
from monoskope.testing.engines.gnupg import ANNA
from monoskope.testing.engines.moto import CREDENTIALS, Moto
from tests.conformance.kubernetes_harness import kubeconfig
from tests.conformance.kubernetes_server import KubernetesServer, server_tls
from tests.support.audit_receivers import certificate

PASSWORDS = "upstream-pass"
"""The folder of files that are encrypted with GnuPG."""


def two_stores(cluster: Cluster) -> list[str]:
    """Start m8 and OpenBao with a reactor, and one whose engine is a folder of age files."""
    cluster.start_m8()
    cluster.start_openbao()
    cluster.make_vault_reactor("vault", readable=True)
    cluster.make_local_reactor("local", server=cluster.server)
    cluster.allow_copy("vault", "local")
    stores = ["vault", "local"]
    cluster.share_fingerprint_key(*(f"reactor-{store}" for store in stores))
    for store in stores:
        with editing(cluster.folder / f"reactor-{store}" / "reactor.toml") as table:
            table["operations_listen"] = "127.0.0.1:0"
        cluster.add_store(store)
        cluster.start_reactor(store)
    return stores


def more_stores(cluster: Cluster, folder: Path, last: ExitStack) -> list[str]:
    """Every other driver: Vault's version 1, pass, Barbican, AWS's on an emulator, Kubernetes on a server of ours."""
    cluster.bao.call("POST", "sys/mounts/elder", {"type": "kv", "options": {"version": "1"}})
    cluster.make_vault_reactor("kv1", readable=True, kind="vault-kv1", mount="elder")
    at_aws = _made(folder / "upstream-moto")
    certificate(at_aws)
    # With TLS, as AWS has it: what comes without stays in the event loop's buffer until the next bytes come.
    moto = last.enter_context(Moto(at_aws, tls=at_aws))
    profile = "".join(f"{name.lower()} = {value}\n" for name, value in CREDENTIALS.items() if "KEY" in name)
    (cluster.folder / ".aws").mkdir()
    write_private(cluster.folder / ".aws" / "credentials", f"[default]\n{profile}".encode())
    for store, kind in (("sm", "aws-secretsmanager"), ("ssm", "aws-ssm")):
        # In asyncio's debug mode the SDK for AWS takes longer than its own limit to connect.
        cluster.environments[f"reactor-{store}"] = {
            "PYTHONDEVMODE": "",
            "PYTHONASYNCIODEBUG": "",
            "AWS_CA_BUNDLE": str(at_aws / "ca.crt"),
        }
        engine = {"region": "eu-central-1", "endpoint_url": moto.url, "readable": True, "deletable": True}
        engine["timeout_s"] = 30.0
        cluster.make_reactor(store, kind, engine | ({"tier": "advanced"} if store == "ssm" else {}))
    barbican = last.enter_context(Barbican(_made(folder / "upstream-barbican")))
    auth = {"method": "none", "project_id": barbican.project}
    engine = {"address": barbican.address, "ca_file": str(barbican.ca_file), "auth": auth, "readable": True}
    cluster.make_reactor("barbican", "barbican", engine)
    keys = last.enter_context(gnupg.keys())
    passwords = _made(folder / PASSWORDS)
    (passwords / ".gpg-id").write_text(f"{ANNA}\n", encoding="ascii")
    cluster.make_reactor("pass", "pass", {"folder": str(passwords), "gpg_home": str(keys.public)})
    server, authority = last.enter_context(_kubernetes(folder / "upstream-kubernetes"))
    config = kubeconfig(folder / "upstream-kubernetes" / "config", server.url, authority, {"token": "a-token"})
    engine = {"auth": {"method": "kubeconfig", "file": config}, "readable": True, "namespace": "apps"}
    cluster.make_reactor("kubernetes", "kubernetes", engine)
    stores = ["kv1", "sm", "ssm", "barbican", "pass", "kubernetes"]
    for store in stores:
        cluster.join_store(store, key_of="reactor-vault")
    return stores


@contextlib.contextmanager
def _kubernetes(folder: Path) -> Iterator[tuple[KubernetesServer, bytes]]:
    """A server on a thread of its own, with its authority: whoever puts there waits for commands."""
    context, authority = server_tls(_made(folder))
    server, loop = KubernetesServer(context), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.bring_up(), loop).result(10)
        yield server, authority
        asyncio.run_coroutine_threadsafe(server.take_down(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
        with warnings.catch_warnings():  # the reactor still has a connection, and aiohttp does not wait for its end
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder
