"""m8, its tokens and its stores: what the load meets."""

from __future__ import annotations

import resource
import ssl
from pathlib import Path

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.cli.common import opened
from monoskope.m8.opened import open_tokens
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import listens
from tests.faults.parts import database_settings
from tests.load.plan import Plan
from tests.support.m8_user import User
from tests.support.vectors import Signer

DAY_S = 86_400
UNIT_FILES = 65_536
"""LimitNOFILE= of deploy/systemd/m8.service."""

UNREAD = 20
"""So many tokens watch everything, and read nothing."""

WATCH_ALL_EACH = 20
"""One in so many watchers watches everything, the others one user each."""


def raise_files(needed: int) -> None:
    """Raise the limit of open files of this process, and so of those that it starts: as m8's unit does, if it can.

    Raises:
        UsageError: the system allows fewer than are `needed`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise UsageError(
            f"this load takes {needed} open files a process, and the hard limit is {hard}.",
            fix=f"Raise it (ulimit -Hn {needed}), or ask for fewer connections (--connections, --hostile).",
        )
    files = UNIT_FILES if hard == resource.RLIM_INFINITY else min(hard, UNIT_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(needed, files), hard))


def start(folder: Path, connections: int, postgres: Postgres | None) -> Cluster:
    cluster = Cluster(folder)
    cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
    limits = {"connections": connections, "handshakes": 100_000}
    with editing(folder / "m8" / "m8.toml") as table:
        table["limits"] = limits | {f"{name}_per_address": most for name, most in limits.items()}
        if postgres is not None:
            table.update(database_settings(postgres.target(postgres.create_database()), folder))
    cluster.start_m8()
    cluster.m8.wait_for(lambda: listens(cluster.server))
    return cluster


async def plan_for(
    cluster: Cluster, *, users: int, watchers: int, stores: int, seconds: float, seed: int, hostile: int, pause_s: float
) -> tuple[Plan, str]:
    """Return the plan, with all tokens made, and an administrator's token."""
    names = [f"s{number}" for number in range(stores)]
    rights = (events_pb2.RIGHT_PUT, events_pb2.RIGHT_SEE_HASH)
    async with opened(cluster.folder / "m8") as (settings, log):
        tokens = open_tokens(settings, log, actor="load")

        async def issue(subject: str, *prefixes: str) -> str:
            user = events_pb2.ROLE_USER
            return (await tokens.issue(subject=subject, role=user, prefixes=prefixes, rights=rights, ttl_s=DAY_S)).jwt

        of_users = {f"u{at}": await issue(f"u{at}", f"{names[at % stores]}://u{at}") for at in range(users)}
        all_of_them = max(1, watchers // WATCH_ALL_EACH)
        prefixes = [f"{names[at % stores]}://u{at % users}" for at in range(watchers - all_of_them)]
        of_watchers = {prefix: await issue(f"w{at}", prefix) for at, prefix in enumerate(dict.fromkeys(prefixes))}
        everything = [await issue(f"all{at}", *(f"{name}://" for name in names)) for at in range(all_of_them)]
        unread = [await issue(f"unread{at}", *(f"{name}://" for name in names)) for at in range(min(UNREAD, hostile))]
        greedy = await issue("greedy", f"{names[0]}://greedy")
        root = (await tokens.issue(subject="root", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=DAY_S)).jwt
    plan = Plan(
        server=cluster.server,
        ca_file=str(cluster.folder / "m8" / "ca.crt"),
        seconds=seconds,
        seed=seed,
        pause_s=pause_s,
        users=of_users,
        greedy=greedy,
        watchers=of_watchers,
        watchers_of_all=everything,
        stores=names,
        hostile=hostile,
        unread=unread,
    )
    return plan, root


async def add_stores(plan: Plan, root: str) -> dict[str, Signer]:
    """Add every store and activate it; return who signs as it."""
    administrator = User(plan.server, root, tls=ssl.create_default_context(cafile=plan.ca_file))
    signers = {name: Signer() for name in plan.stores}
    for name, signer in signers.items():
        await administrator.create(name, signer.shown)
    return signers
