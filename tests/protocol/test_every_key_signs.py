"""Every kind of key that OpenSSH makes signs, and two of them every purpose, through a real ssh-agent and from a file.

The keys are ssh-keygen's, the certificates OpenBao's, the security key is OpenSSH's own in software; the signature is
made by the client's signers, and a real reactor behind a real m8 decides by its list.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.signing.agent import Agent as AgentClient
from monoskope.client.signing.agent import AgentSigner
from monoskope.client.signing.key_file import KeySigner
from monoskope.client.signing.signer import Signer
from monoskope.protocol.purposes import PURPOSES
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.openbao_admin import SshCa
from monoskope.testing.engines.openssh import Agent, KeyType, make_key, run
from tests.protocol.signed_stage import ALICE, FIRST, UPLOAD, Stage, digest, new_place, read, sealed_for, stage
from tests.support.reactor_requests import ask
from tests.support.signed_requests import may, table, write_lists
from tests.support.ssh import has_security_key, need_security_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN: dict[str, tuple[KeyType, int | None]] = {
    "ed25519": ("ed25519", None),
    "ecdsa-256": ("ecdsa", 256),
    "ecdsa-384": ("ecdsa", 384),
    "ecdsa-521": ("ecdsa", 521),
    "rsa": ("rsa", 3072),
    "ed25519-sk": ("ed25519-sk", None),
    "ecdsa-sk": ("ecdsa-sk", None),
}
CERTIFIED: dict[str, tuple[KeyType, int | None]] = {
    "certificate over ed25519": ("ed25519", None),
    "certificate over ed25519-sk": ("ed25519-sk", None),
}
FROM_FILES = ("ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa", "certificate over ed25519")
"""What a security key signs, its file alone cannot."""
EVERY_PURPOSE = ("ed25519", "certificate over ed25519-sk")
"""What the others sign says no more of a purpose than these do."""


@dataclass
class Keys:
    """Keys by name, all of them in the agent and on the reactor's list."""

    agent: Agent
    files: dict[str, Path]
    ca: str

    def public(self, name: str) -> Path:
        file = self.files[name]
        return file.with_name(f"{file.name}-cert.pub" if name in CERTIFIED else f"{file.name}.pub")

    def in_agent(self, name: str) -> Signer:
        """The signer of a user whose key the agent holds."""
        return AgentSigner(self.public(name).read_text(), agent=AgentClient(str(self.agent.socket)))

    def shown(self, name: str) -> str:
        return run("ssh-keygen", "-l", "-f", f"{self.files[name]}.pub").split()[1]

    @property
    def lines(self) -> str:
        plain = "".join(f"alice {self.public(name).read_text()}" for name in self.files if name in PLAIN)
        return f'{plain}alice cert-authority,namespaces="request@monoskope" {self.ca}\n'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keys]:
    folder = tmp_path_factory.mktemp("keys")
    kinds = {name: made for name, made in (PLAIN | CERTIFIED).items() if has_security_key() or "-sk" not in name}
    files = {name: folder / str(number) for number, name in enumerate(kinds)}
    for name, (kind, bits) in kinds.items():
        make_key(files[name], kind, bits=bits)
    with OpenBao(folder / "bao") as bao, Agent() as agent:
        ca = SshCa(bao)
        ca.create()
        ca.allow("people", "alice")
        for name in CERTIFIED.keys() & files.keys():
            ca.sign("people", files[name].with_name(f"{files[name].name}.pub"))
        for file in files.values():
            agent.add(file)
        yield Keys(agent, files, ca.public_key)


def add_lines(listed: Path, lines: str) -> None:
    """Write lines into a list, before its last one."""
    listed.write_text(listed.read_text().removesuffix("# end\n") + lines + "# end\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("signed")
    write_lists(folder, ALICE)
    add_lines(folder / "allowed_signers", keys.lines)
    async with stage(folder, table(may(ALICE))) as found:
        yield found


@pytest.mark.parametrize("name", [*PLAIN, *CERTIFIED])
async def test_every_key_signs_through_an_agent(signed: Stage, keys: Keys, name: str) -> None:
    need_security_key(name)
    await sign(signed, keys.in_agent(name), keys.shown(name), every=name in EVERY_PURPOSE)


@pytest.mark.parametrize("name", FROM_FILES)
async def test_every_key_signs_from_a_file(signed: Stage, keys: Keys, name: str) -> None:
    await sign(signed, KeySigner(keys.files[name]), keys.shown(name), every=name in EVERY_PURPOSE)


async def sign(signed: Stage, signer: Signer, shown: str, *, every: bool) -> None:
    copies = signed.m8.count("AuthorizeCopy")
    for purpose in PURPOSES if every else (UPLOAD,):
        request = await signed.prepared(purpose)
        grant = await signed.grant(request)
        sealed = sealed_for(grant, FIRST)
        receipt = read(await signed.deliver(grant, sealed, await signer.sign(grant, digest(sealed))))
        if purpose == upload_pb2.PURPOSE_COPY:  # its destination has no reactor here: but the source began
            assert signed.m8.count("AuthorizeCopy") > copies
        else:
            assert receipt.outcome in PURPOSES[purpose].successes
            assert (receipt.signer, receipt.signer_key) == ("alice", shown)


async def test_a_security_key_that_nobody_touches_signs_nothing(signed: Stage, keys: Keys, tmp_path: Path) -> None:
    need_security_key("ed25519-sk")
    public = make_key(tmp_path / "untouched", "ed25519-sk", touch=False)
    keys.agent.add(tmp_path / "untouched")
    add_lines(signed.folder / "allowed_signers", f"alice {public.read_text()}")
    signer = AgentSigner(public.read_text(), agent=AgentClient(str(keys.agent.socket)))
    grant = await signed.grant(ask(UPLOAD, uri=new_place()))
    sealed = sealed_for(grant, FIRST)
    end = await signed.deliver(grant, sealed, await signer.sign(grant, digest(sealed)))
    assert end.reason == upload_pb2.REASON_NOT_AUTHORIZED
    assert "touch" in (signed.folder / "audit.jsonl").read_text().splitlines()[-2]
