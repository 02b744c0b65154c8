"""Puts to a store that takes signed requests alone, beside puts to one that does not, on the same engine.

Both stores have a reactor of their own with the same settings, but for `[signers]`. The puts are made one at a time by
one user, in alternating blocks: unsigned, signed with a private key file, signed through a real ssh-agent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from bench.counts import Counts
from bench.progress import say
from bench.timing import ONE_BY_ONE, alone, each
from bench.world import STORE, VALUES, World, settings_of
from monoskope.client import AgentSigner, Client, KeySigner, Signer
from monoskope.client.signing.agent import Agent
from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.testing.engines import openssh

FIGURES = ("signed_put_ratio", "signed_put_file_ratio")
"""Through an ssh-agent, and with a private key file."""

_SIGNED = "signed"
_ANNA = "anna@example.org"


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
    say(f"signed: {blocks} alternating blocks of {ONE_BY_ONE}")
    names = ("unsigned", "agent", "file")
    took = await alone(blocks, {name: partial(each, work=put) for name, put in zip(names, puts, strict=True)})
    return {
        "signed_put_ratio": took["agent"] / took["unsigned"],
        "signed_put_file_ratio": took["file"] / took["unsigned"],
    }


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
    rule = {"principal": _ANNA, "prefixes": ["bench"], "purposes": ["upload"]}
    with editing(home / "reactor.toml") as table:
        table["signers"] = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"], "may": [rule]}
    world.raise_limits(home / "reactor.toml")
    cluster.join_store(_SIGNED, key_of=f"reactor-{STORE}")
