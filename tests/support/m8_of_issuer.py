"""A whole m8 that takes the tokens of one OpenID Connect provider."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import ClientSettings
from monoskope.client.login.credential import Login
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.bootstrap import Running, build
from monoskope.m8.domain.events import write
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM
from monoskope.m8.init import lay_out

RULES = """
[[issuers]]
name = "corp"
issuer = "{issuer}"
audience = "{audience}"
ca_file = "{ca}"

[[issuers.rules]]
match = {{}}
name_claim = "sub"
groups = "groups"
"""
PLATFORM = events_pb2.RoleBindingCreated(
    name="platform",
    role=events_pb2.ROLE_USER,
    members=["group:corp:platform"],
    prefix="vault://platform",
    rights=[events_pb2.RIGHT_PUT],
)
"""What the group platform may do there."""


@dataclass
class M8:
    running: Running
    ca_file: Path

    def dialled(self, login: Path, issuer: str) -> ClientSettings:
        return ClientSettings(server=self.running.address, ca_file=self.ca_file, credential=Login(login, issuer))


@asynccontextmanager
async def serving(folder: Path, *, issuer: str, audience: str, ca_file: Path) -> AsyncIterator[M8]:
    """Yield an m8 below `folder`, in which the group platform may put below vault://platform."""
    operating_log.set_up(io.StringIO())
    made = lay_out(folder / "m8", HostPort("127.0.0.1", 0)).folder
    with (made / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(RULES.format(issuer=issuer, audience=audience, ca=ca_file))
    async with build(settings.load(made)) as running:
        await running.app.log.append(ROLE_BINDINGS_STREAM, 0, [write(PLATFORM)], actor="m8/os/m8")
        yield M8(running, made / "ca.crt")
