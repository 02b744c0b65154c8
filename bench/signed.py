"""Puts to a store that takes signed requests alone, beside puts to one that does not, on the same engine.

Both stores have a reactor of their own with the same settings, but for `[signers]`. The puts are made one at a time by
one user, in alternating blocks: unsigned, signed with a private key file, signed through a real ssh-agent, and so by a
change that two others have approved before: proposing and approving are not measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from bench.counts import Counts
from bench.progress import say
from bench.timing import ONE_BY_ONE, alone, each
from bench.world import STORE, VALUES, World, settings_of
from monoskope.client import AgentSigner, Client, KeySigner, Proposal, Signer
from monoskope.client.signing.agent import Agent
from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines import openssh

FIGURES = ("signed_put_ratio", "signed_put_file_ratio", "approved_put_ratio")
"""Through an ssh-agent, and with a private key file; and what two approvals add, through an ssh-agent."""

_SIGNED = "signed"
_ANNA, _BEN, _EVA = "anna@example.org", "ben@example.org", "eva@example.org"
_APPROVED = "approved"
"""The prefix at which a put takes two approvals."""


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return the p50 of a signed put divided by that of an unsigned one, both ways to sign."""
    with tempfile.TemporaryDirectory(prefix="m8-") as folder, openssh.Agent() as agent:
        keys = {name: Path(folder) / name for name in (_ANNA, _BEN, _EVA)}
        public = {name: openssh.make_key(key).read_text(encoding="ascii").strip() for name, key in keys.items()}
        agent.add(keys[_ANNA])
        _start(world, public)
        by_agent = AgentSigner(public[_ANNA], agent=Agent(str(agent.socket)))
        async with AsyncExitStack() as stack:

            async def client_of(user: User, signer: Signer | None) -> Client:
                return await stack.enter_async_context(Client(settings_of(user), signer=signer))

            prefixes = [f"{STORE}://bench", f"{_SIGNED}://bench", f"{_SIGNED}://{_APPROVED}"]
            anna = world.cluster.add_user(_SIGNED, prefixes=prefixes, rights=["put", "propose"])
            people = [world.cluster.add_user(of, prefixes=prefixes, rights=["approve"]) for of in (_BEN, _EVA)]
            others = [await client_of(person, KeySigner(keys[person.name])) for person in people]
            agents = await client_of(anna, by_agent)
            works = {
                "unsigned": partial(each, work=_put(world, await client_of(anna, None), STORE)),
                "agent": partial(each, work=_put(world, agents, _SIGNED)),
                "file": partial(each, work=_put(world, await client_of(anna, KeySigner(keys[_ANNA])), _SIGNED)),
                "approved": partial(_executions, world, agents, others),
            }
            say(f"signed: {counts.blocks} alternating blocks of {ONE_BY_ONE}")
            took = await alone(counts.blocks, works)
    return {
        "signed_put_ratio": took["agent"] / took["unsigned"],
        "signed_put_file_ratio": took["file"] / took["unsigned"],
        "approved_put_ratio": took["approved"] / took["agent"],
    }


async def _executions(world: World, client: Client, others: Sequence[Client], times: int) -> list[float]:
    """Return the seconds of each execution of a change that all `others` have approved before."""
    approved = []
    for _ in range(times):
        proposal = Proposal.put(f"{_SIGNED}://{_APPROVED}/{world.path()}", VALUES)
        change = await client.changes.propose(proposal, requester=_ANNA)
        for other in others:
            change = await other.changes.approve(change)
        approved.append(change)
    left = iter(approved)

    async def execute() -> None:
        await client.changes.run(next(left), VALUES)

    return await each(times, execute)


def _put(world: World, client: Client, store: str) -> Callable[[], Awaitable[None]]:
    async def put() -> None:
        await client.put_secret(f"{store}://{world.path()}", VALUES)

    return put


def _start(world: World, public: Mapping[str, str]) -> None:
    """Start a reactor with `[signers]` for a store of its own on the same engine: anna signs, two others approve."""
    cluster = world.cluster
    cluster.make_vault_reactor(_SIGNED)
    home = cluster.folder / f"reactor-{_SIGNED}"
    for file, people in (("allowed_signers", [_ANNA]), ("allowed_approvers", [_BEN, _EVA])):
        lines = [*(f"{name} {public[name]}" for name in people), "# end", ""]
        write_private(home / file, "\n".join(lines).encode(), replace=True)
    upload = {"principal": _ANNA, "purposes": ["upload"]}
    with editing(home / "reactor.toml") as table:
        table["signers"] = {
            "file": "allowed_signers",
            "revoked": "revoked_keys",
            "approvers": "allowed_approvers",
            "unsigned": ["verify"],
            "may": [upload | {"prefixes": ["bench"]}, upload | {"prefixes": [_APPROVED], "approvals": 2}],
            "approve": [{"principals": [_BEN, _EVA], "prefixes": [_APPROVED], "purposes": ["upload"]}],
        }
    world.raise_limits(home / "reactor.toml")
    cluster.join_store(_SIGNED, key_of=f"reactor-{STORE}")
