"""One rotation beside the writes that it is made of, and many by `monoctl rotate secret --due` in one command.

OpenBao and accounts of a real PostgreSQL, two reactors with `[signers]`. Between two rounds of one secret are two
minutes: the clock of this process, and of the command, is ahead instead.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from itertools import count
from pathlib import Path

from bench.counts import IN_FLIGHT, Counts
from bench.progress import say
from bench.timing import ONE_BY_ONE, alone, each, together
from bench.world import STORE, World, settings_of
from monoskope import failpoints
from monoskope.client import Client, Expect, KeySigner, Rotation
from monoskope.errors import UnavailableError
from monoskope.settings import write_private
from monoskope.testing.cluster import editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines import openssh
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import program

FIGURES = ("rotation_ratio", "due_rotations_per_s")
"""One rotation ÷ one generate and two copies, p50; and how many of a file one command does in a second."""

_FROM, _TO = "rotating", "accounts"
_WHO, _ROLE = "rotation", "m8_accounts"
_KEYS = {"username": "fixed:bench_a", "password": "password:32"}
_BETWEEN_S = 300
"""By so much more the clock is ahead in each round."""


async def measure(world: World, counts: Counts) -> dict[str, float]:
    """Return the figures."""
    with tempfile.TemporaryDirectory(prefix="m8-") as folder, Postgres(fsync=False) as postgres:
        key = Path(folder) / _WHO
        user = _start(world, postgres, key, openssh.make_key(key).read_text(encoding="ascii").strip())
        postgres.sql("".join(f"CREATE ROLE bench_{name} LOGIN;" for name in ("a", "b", "c", *range(counts.rotations))))
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(Client(settings_of(user), signer=KeySigner(key)))
                ratio = await _ratio(client, counts)
                took_s = await _due(user, client, key, counts.rotations)
        finally:
            failpoints.arm({})
    say(f"  {counts.rotations} rotations by one command: {took_s:.1f} s")
    return {"rotation_ratio": ratio, "due_rotations_per_s": counts.rotations / took_s}


async def _ratio(client: Client, counts: Counts) -> float:
    rotation = Rotation.of(f"{_FROM}://rotated/db", [f"{_TO}://bench_a", f"{_TO}://bench_b"])
    await client.rotate_secret(rotation, adopt=True)
    rounds = count(1)

    async def rotate() -> None:
        failpoints.arm({failpoints.VARIABLE: f"m8.clock=shift+{next(rounds) * _BETWEEN_S}"})
        await client.rotate_secret(rotation, force=True)

    async def parts() -> None:
        new, anything = f"{_FROM}://rotated/parts.next", Expect.OVERWRITE
        await client.generate_secret(new, _KEYS, expect=anything)
        await client.copy_secret(new, f"{_TO}://bench_c", keys=["password"], expect=anything)
        await client.copy_secret(new, f"{_FROM}://rotated/parts", expect=anything)

    say(f"rotation: {counts.engine_blocks} alternating blocks of {ONE_BY_ONE}")
    works: Mapping[str, Callable[[], Awaitable[None]]] = {"rotation": rotate, "parts": parts}
    took = await alone(counts.engine_blocks, {name: partial(each, work=work) for name, work in works.items()})
    return took["rotation"] / took["parts"]


async def _due(user: User, client: Client, key: Path, rotations: int) -> float:
    """Return the seconds of one command that rotates so many. Raises `UnavailableError` if it does not do all."""
    failpoints.arm({})
    texts = {f"{_FROM}://rotated/{number}": f"{_TO}://bench_{number}" for number in range(rotations)}
    left = iter(texts.items())

    async def begin(_lane: int) -> None:
        secret, account = next(left)
        await client.rotate_secret(Rotation.of(secret, [account]), adopt=True)

    await together(rotations, begin)
    file = user.home / "rotations.yaml"
    one = "- {{kind: Rotation, secret: '{}', accounts: ['{}'], every: 1h}}\n"
    file.write_text("".join(one.format(*pair) for pair in texts.items()), encoding="utf-8")
    words = ["rotate", "secret", "-f", str(file), "--due", "--signing-key", str(key), "-o", "json"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(user.home),
        failpoints.VARIABLE: "m8.clock=shift+7200",
    }
    say(f"{rotations} rotations that are due, {IN_FLIGHT} of them at once before")
    began = time.perf_counter()
    done = await asyncio.to_thread(
        subprocess.run, [program("monoctl"), *words], env=environment, capture_output=True, text=True, check=False
    )
    took_s = time.perf_counter() - began
    told = sum(" ROTATED" in line for line in done.stderr.splitlines())
    if done.returncode or told != rotations:
        raise UnavailableError(f"of {rotations} rotations {told} were done: {done.stderr[-2_000:]}")
    return took_s


def _start(world: World, postgres: Postgres, key: Path, public: str) -> User:
    """Start two reactors with `[signers]`, and return the user who rotates."""
    cluster = world.cluster
    cluster.make_vault_reactor(_FROM, readable=True)
    engine: dict[str, object] = {
        "hosts": [f"127.0.0.1:{postgres.port}"],
        "user": _ROLE,
        "password_file": str(key.parent / "password"),
        "ca_file": str(postgres.ca_file),
    }
    accounts = cluster.make_reactor(_TO, "postgresql-account", engine)
    with editing(accounts / "reactor.toml") as table:
        table["accounts"] = {"allow": ["bench_*"]}
    write_private(key.parent / "password", b"the-reactors-own-password\n")
    postgres.sql(f"CREATE ROLE {_ROLE} LOGIN PASSWORD 'the-reactors-own-password'")
    postgres.sql(cluster.must("m8", "reactor", "policy", accounts.name).out)
    home = cluster.folder / f"reactor-{_FROM}"
    cluster.allow_copy(_FROM, _TO)
    cluster.allow_copy(_FROM, _FROM)
    copies = cluster.must("m8", "reactor", "copy-key", home.name).out.strip()
    upload = {"principal": f"copies-from-{_FROM}", "prefixes": [""], "purposes": ["upload"]}
    here = {"principal": _WHO, "prefixes": [""], "purposes": ["generate", "compare"]}
    copy = {"principal": _WHO, "prefixes": [""], "purposes": ["copy"], "destinations": [f"{_TO}://", f"{_FROM}://"]}
    lines = {home: [f"{_WHO} {public}", copies], accounts: [copies]}
    for folder, may in ((home, [here, copy, upload]), (accounts, [upload])):
        text = "".join(f"{line}\n" for line in (*lines[folder], "# end"))
        write_private(folder / "allowed_signers", text.encode(), replace=True)
        with editing(folder / "reactor.toml") as table:
            table["signers"] = {
                "file": "allowed_signers",
                "revoked": "revoked_keys",
                "unsigned": ["verify"],
                "may": may,
            }
        world.raise_limits(folder / "reactor.toml")
        with editing(folder / "reactor.toml") as table:
            table["limits"]["compares_per_hour"] = 10_000  # each first round compares a name
    for store in (_FROM, _TO):
        cluster.join_store(store, key_of=f"reactor-{STORE}")
    return cluster.add_user(_WHO, prefixes=[f"{_FROM}://", f"{_TO}://"])
