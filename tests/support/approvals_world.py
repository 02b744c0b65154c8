"""A company whose store asks for approvals, of real parts: m8, OpenBao, a reactor with `[signers]`, and SSH keys.

Anna asks, ben, eva and gil approve, and the setter brings secrets to where a purpose can be done: nobody is asked about
that. What is signed here is signed by the client's own signers, with keys that ssh-keygen made.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from monoskope.client import Client, ClientSettings, KeySigner, SyncClient
from monoskope.client.signing.agent import Agent as AgentClient
from monoskope.client.signing.agent import AgentSigner
from monoskope.client.signing.signer import Signer
from monoskope.protocol.identity import Namespace
from monoskope.settings import write_private
from monoskope.testing.cluster import ALL_RIGHTS, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openssh import Agent, make_key
from monoskope.testing.engines.postgres import Postgres
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import certify, keygen, need_security_key

ANNA, BEN, EVA, GIL, SETTER = (f"{name}@example.org" for name in ("anna", "ben", "eva", "gil", "setter"))
APPROVERS = (BEN, EVA, GIL)
CA = "ca"
"""Whose certificates count as approvers."""
WRITING = ("upload", "patch", "generate", "delete", "undelete", "rollback")
"""What a store does by itself; a copy needs another one."""
RIGHTS = (*ALL_RIGHTS, "propose", "approve")


def line(principal: str, public: str, namespace: Namespace, *options: str) -> str:
    return f"{principal} {','.join((*options, f'namespaces={chr(34)}{namespace.value}{chr(34)}'))} {public}"


def public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def write_list(file: Path, lines: Sequence[str]) -> None:
    write_private(file, "".join(f"{one}\n" for one in (*lines, "# end")).encode(), replace=True)


@dataclass
class Company:
    """m8, its stores, and who works with them."""

    cluster: QuickCluster
    folder: Path
    keys: dict[str, Path] = field(default_factory=dict)
    """The private key of each principal."""
    users: dict[str, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    """The open client of each principal, who signs with that key."""

    def home(self, store: str) -> Path:
        return self.cluster.folder / f"reactor-{store}"

    def key(self, name: str) -> Path:
        if name not in self.keys:
            self.keys[name] = keygen(self.folder / name.partition("@")[0])
        return self.keys[name]

    def signer(self, name: str) -> KeySigner:
        return KeySigner(self.key(name))

    def certified(self, name: str, principal: str, key: str = "", *, valid: str = "-1m:+1h") -> KeySigner:
        """Return what signs with a certificate of the approvers' CA for `principal`.

        Args:
            name: Of a new key file.
            principal: Whom it names.
            key: Whose key it is over; "" for a new one.
            valid: As ssh-keygen reads it.
        """
        if key:
            for end in ("", ".pub"):
                shutil.copy(f"{self.key(key)}{end}", self.folder / f"{name}{end}")
            self.keys[name] = self.folder / name
        certify(self.key(CA), self.key(name), principals=principal, valid=valid)
        return KeySigner(self.keys[name])

    def asks(
        self,
        store: str,
        approvals: int,
        *,
        purposes: Sequence[str] = WRITING,
        destinations: Sequence[str] = (),
        approvers: Sequence[tuple[str, str]] = (),
        signers: Sequence[str] = (),
        may: Sequence[Mapping[str, object]] = (),
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Have the reactor of a store, which was made and has not started, ask anna for approvals below `app`.

        The setter may do the same without any. The lists name the CA for ben and eva, too.

        Args:
            store: Its name.
            approvals: How many.
            purposes: What anna and the setter may do, and the others approve.
            destinations: Of copies.
            approvers: More approvers, each with the name of a key.
            signers: More lines of the list of signers.
            may: More entries.
            limits: Of the reactor.
        """
        home = self.home(store)
        asked = {"prefixes": ["app"], "purposes": list(purposes), "destinations": list(destinations)}
        entries = [{"principal": ANNA, "approvals": approvals, **asked}, {"principal": SETTER, **asked}, *may]
        approve = {"principals": [*APPROVERS, ANNA], "prefixes": ["app"], "purposes": list(purposes)}
        requesting = [line(one, public(self.key(one)), Namespace.REQUEST) for one in (ANNA, SETTER)]
        write_list(home / "allowed_signers", [*requesting, *signers])
        pairs = [*((one, one) for one in (*APPROVERS, ANNA)), *approvers]
        approving = [line(principal, public(self.key(key)), Namespace.APPROVAL) for principal, key in pairs]
        ca = line(f"{BEN},{EVA}", public(self.key(CA)), Namespace.APPROVAL, "cert-authority")
        write_list(home / "allowed_approvers", [*approving, ca])
        with editing(home / "reactor.toml") as table:
            table["signers"] = {
                "file": "allowed_signers",
                "revoked": "revoked_keys",
                "approvers": "allowed_approvers",
                "unsigned": ["verify"],
                "may": entries,
                "approve": [approve],
            }
            table["timings"] = {"linger": 0.0}  # A key that was granted and not used holds up no end of the tests.
            table["limits"] = {**table.get("limits", {}), "uploads_per_second": 1_000, **limits}

    async def hire(self, last: AsyncExitStack, *names: str, prefixes: Sequence[str]) -> None:
        """Give people their credentials, and open a client for each, which is closed with `last`."""
        for name in names:
            self.users[name] = self.cluster.add_user(name.partition("@")[0], prefixes=prefixes, rights=RIGHTS)
            self.clients[name] = await last.enter_async_context(self.client(name))

    def client(self, name: str, signer: Signer | None = None) -> Client:
        """Return a client for somebody who was hired."""
        signer = signer or self.signer(name)
        return Client(self._settings(name), signer=signer, system_known_stores=self.folder / "none", pause_s=0.01)

    def sync_client(self, name: str) -> SyncClient:
        return SyncClient(self._settings(name), signer=self.signer(name), system_known_stores=self.folder / "none")

    def _settings(self, name: str) -> ClientSettings:
        user = self.users[name]
        return ClientSettings(
            server=self.cluster.server,
            token=user.token_file.read_text().strip(),
            ca_file=self.cluster.folder / "m8" / "ca.crt",
            known_stores=user.known_stores,
        )


@asynccontextmanager
async def company(folder: Path, postgres: Postgres | None = None) -> AsyncIterator[Company]:
    """A company with m8 and OpenBao, and no store yet; with a `postgres` m8's log is there."""
    folder.mkdir(exist_ok=True)
    with QuickCluster(folder / "c") as cluster:
        if postgres is not None:
            password = cluster.folder / "database-password"
            write_private(password, postgres.password.encode())
            url = f"postgresql://m8@127.0.0.1:{postgres.port}/{postgres.create_database('approvals')}"
            files = ("--database-ca", str(postgres.ca_file), "--database-password-file", password.name)
            cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server, "--database", url, *files)
        cluster.start_m8()
        cluster.start_openbao()
        yield Company(cluster, folder)


async def with_oncall(
    last: AsyncExitStack, folder: Path, *names: str, may: Sequence[Mapping[str, object]] = ()
) -> tuple[Company, AgentSigner]:
    """Begin a company whose age files take two approvals, and where a security key may break the glass.

    Args:
        last: Ends it.
        folder: Where it lives.
        names: Those who work there.
        may: Entries besides.

    Returns:
        The company, and what signs with the security key, whose name is SETTER.
    """
    need_security_key("ed25519-sk")
    cluster, agent = last.enter_context(QuickCluster(folder / "c")), last.enter_context(Agent())
    cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)  # so that its log is soon signed
    cluster.start_m8()
    company = Company(cluster, folder)
    cluster.make_local_reactor("files")
    cluster.share_fingerprint_key("reactor-files")
    key = folder / "oncall"
    make_key(key, "ed25519-sk")
    agent.add(key)
    alone = {"principal": SETTER, "prefixes": ["app"], "purposes": ["upload"], "approvals": 2, "break_glass": True}
    listed = [line(SETTER, public(key), Namespace.REQUEST)]
    company.asks("files", 2, purposes=("upload",), signers=listed, may=[alone, *may])
    cluster.add_store("files")
    cluster.start_reactor("files")
    await company.hire(last, *names, SETTER, prefixes=["files://app"])
    return company, AgentSigner(Path(f"{key}.pub").read_text(), agent=AgentClient(str(agent.socket)))
