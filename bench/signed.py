"""Puts to a store that takes signed requests alone, beside puts to one that does not, on the same engine.

Both stores have a reactor of their own with the same settings, but for `[signers]`. The puts are made one at a time by
one user, in alternating blocks: unsigned, signed with a private key file, signed through a real ssh-agent.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import tomli_w

from bench.counts import Counts
from bench.figures import p50
from bench.progress import say
from bench.timing import each
from bench.world import STORE, VALUES, World, settings_of
from monoskope.client import AgentSigner, Client, KeySigner, Signer
from monoskope.client.signing.agent import Agent
from monoskope.settings import write_private
from monoskope.testing.engines import openssh

FIGURES = ("signed_put_ratio", "signed_put_file_ratio")
"""Through an ssh-agent, and with a private key file."""

_SIGNED = "signed"
_ANNA = "anna@example.org"
_ONE_BY_ONE = 20


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return the p50 of a signed put divided by that of an unsigned one, both ways to sign."""
    with tempfile.TemporaryDirectory(prefix="m8-") as folder, openssh.Agent() as agent:
        key = Path(folder) / "key"
        public = openssh.make_key(key).read_text(encoding="ascii").strip()
        agent.add(key)
        _start(world, public)
        user = world.cluster.add_user(_SIGNED, prefixes=[f"{store}://bench" for store in (STORE, _SIGNED)])
        signers: list[Signer | None] = [None, AgentSigner(public, agent=Agent(str(agent.socket))), KeySigner(key)]
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(Client(settings_of(user), signer=one)) for one in signers]
            stores = (STORE, _SIGNED, _SIGNED)
            puts = [_put(world, client, store) for client, store in zip(clients, stores, strict=True)]
            return await _ratios(puts, counts.blocks)


async def _ratios(puts: list[Callable[[], Awaitable[None]]], blocks: int) -> dict[str, float]:
    say(f"signed: {blocks} alternating blocks of {_ONE_BY_ONE}")
    took: list[list[float]] = [[] for _ in puts]
    for put in puts:
        await each(_ONE_BY_ONE, put)
    for _ in range(blocks):
        for found, put in zip(took, puts, strict=True):
            found.extend(await each(_ONE_BY_ONE, put))
    unsigned, agent, file = map(p50, took)
    say(
        f"  unsigned {unsigned * 1_000:.1f} ms, by an ssh-agent {agent * 1_000:.1f}, by a file {file * 1_000:.1f} (p50)"
    )
    return {"signed_put_ratio": agent / unsigned, "signed_put_file_ratio": file / unsigned}


def _put(world: World, client: Client, store: str) -> Callable[[], Awaitable[None]]:
    async def put() -> None:
        await client.put_secret(f"{store}://{world.path()}", VALUES)

    return put


def _start(world: World, public: str) -> None:
    """Start a reactor with `[signers]`, whose list has one key, for a store of its own on the same engine."""
    cluster = world.cluster
    cluster.make_vault_reactor(_SIGNED)
    home = cluster.folder / f"reactor-{_SIGNED}"
    listed = f"{_ANNA} {public}\n# end\n"
    write_private(home / "allowed_signers", listed.encode(), replace=True)
    file = home / "reactor.toml"
    rule = {"principal": _ANNA, "prefixes": ["bench"], "purposes": ["upload"]}
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    table["signers"] = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"], "may": [rule]}
    write_private(file, tomli_w.dumps(table).encode(), replace=True)
    world.raise_limits(file)
    cluster.join_store(_SIGNED, key_of=f"reactor-{STORE}")
