"""A company at work: people log in at OpenBao's provider, and one store takes what keys of its own list signed.

All parts are real. Played is the person at the browser of the login, who is one call.
"""

from __future__ import annotations

import subprocess
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from monoskope.client.login import starting
from monoskope.client.login.starting import LoginSettings
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openbao_company import Company, OidcClient
from monoskope.testing.engines.openssh import Agent, make_key, run
from monoskope.testing.parts import program
from tests.support.logins import address_of
from tests.support.m8_of_issuer import RULES
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import TouchedAgent

ANNA = "anna@example.org"
GROUPS = {"anna": "platform", "rev": "revision"}
"""Who works there, and in which group."""


@dataclass
class AtWork:
    """The company.

    Attributes:
        client: How the issuer knows monoctl.
        agent: anna's ssh-agent, as programs meet it.
        behind: The same, without the wait for a touch.
        key: anna's plain private key, which the store's list names, too.
    """

    cluster: QuickCluster
    company: Company
    client: OidcClient
    agent: TouchedAgent
    behind: Agent
    key: Path
    people: dict[str, User] = field(default_factory=dict)

    @property
    def security_key(self) -> Path:
        return self.key.with_name("sk.pub")

    def log_in(self, user: User) -> str:
        """Run `monoctl login` as somebody of the company who logs in at once; return what it prints."""
        return log_in(user, lambda address: self._browse(address, user.name))

    def id_token(self, name: str) -> str:
        """Return a new ID token for a client that is not monoctl, but known to the issuer as such."""
        settings = LoginSettings(
            server=self.cluster.server,
            issuer=self.company.issuer,
            client_id=self.client.id,
            audience=self.client.id,
            scopes="groups",
            ca_file=str(self.cluster.bao.ca_file),
        )
        return starting.with_browser(settings, lambda address, _: self._browse(address, name)).id_token

    def member(self, name: str) -> str:
        """Return how m8 calls somebody who has logged in."""
        ran = self.people[name].monoctl("whoami", "-o", "json")
        return str(ran.json()["member"])

    def _browse(self, address: str, name: str) -> None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(self.company.browse(address, name), timeout=30) as page:
            assert page.status == 200

    def hire(self, name: str, **settings: str) -> None:
        ca_file = self.cluster.bao.ca_file
        self.people[name] = home_of(self.cluster, name, self.company.issuer, self.client.id, ca_file, **settings)


def home_of(cluster: Cluster, name: str, issuer: str, client_id: str, ca_file: Path, **settings: str) -> User:
    user = User(name, cluster.folder / name, cluster)
    user.token_file.parent.mkdir(mode=0o700, parents=True)
    table = {
        "server": cluster.dialled,
        "ca_file": str(cluster.folder / "m8" / "ca.crt"),
        "login_issuer": issuer,
        "login_client_id": client_id,
        "login_scopes": "groups profile",
        "login_ca_file": str(ca_file),
    }
    write_private(user.token_file.parent / "config.toml", tomli_w.dumps(table | settings).encode())
    cluster.pin_all(user)
    return user


def log_in(user: User, browse: Callable[[str], object]) -> str:
    """Run `monoctl login` as a user whose browser goes where it is told; return what it prints."""
    process = subprocess.Popen(
        [program("monoctl"), "login", "--no-browser"],
        env=user.commands._environment(user),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    browse(address_of(process))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


@contextmanager
def at_work(folder: Path) -> Iterator[AtWork]:
    """Lay the company out, with people who have not logged in yet."""
    keys = folder / "keys"
    keys.mkdir()
    with ExitStack() as last:
        cluster = last.enter_context(QuickCluster(folder / "c"))
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        cluster.start_openbao()
        company = Company(cluster.bao)
        company.create()
        for name, group in GROUPS.items():
            company.hire(name, f"{name}@example.org", group=group)
        client = company.register("monoctl", "http://127.0.0.1/callback", public=True)
        rule = RULES.format(issuer=company.issuer, audience=client.id, ca=cluster.bao.ca_file)
        _append(cluster.folder / "m8" / "m8.toml", rule)
        cluster.start_m8()
        make_key(keys / "key")
        make_key(keys / "sk", "ed25519-sk")
        serve_signed(cluster, {ANNA: [keys / "key.pub", keys / "sk.pub"]})
        _bind(cluster)
        agent = last.enter_context(Agent())
        agent.add(keys / "sk")
        touched = last.enter_context(TouchedAgent(agent, agent.socket.with_name("touched")))
        found = AtWork(cluster, company, client, touched, agent, keys / "key")
        found.hire("anna", signing_key=str(found.security_key))
        found.hire("rev")
        yield found


def _append(file: Path, text: str) -> None:
    write_private(file, (file.read_text(encoding="utf-8") + text).encode(), replace=True)


def serve_signed(cluster: Cluster, signers: Mapping[str, Sequence[Path]]) -> None:
    """Start the reactor of the store `vault`, which lets these keys, and no others, put and generate below `app`."""
    cluster.make_vault_reactor("vault", readable=True)
    cluster.share_fingerprint_key("reactor-vault")
    home = cluster.folder / "reactor-vault"
    lines = [f"{name} {_public(file)}\n" for name, files in signers.items() for file in files]
    write_private(home / "allowed_signers", "".join([*lines, "# end\n"]).encode(), replace=True)
    may = [{"principal": name, "prefixes": ["app"], "purposes": ["upload", "generate"]} for name in signers]
    with editing(home / "reactor.toml") as table:
        table["signers"] = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"], "may": may}
        table["timings"] = {"linger": 0.0}  # A key that was granted and not used holds up no end of the tests.
    cluster.add_store("vault")
    cluster.start_reactor("vault")


def _bind(cluster: QuickCluster) -> None:
    """Give the groups of the company their roles."""
    rights = ("put", "compare", "see-hash", "delete")
    given: Mapping[str, Sequence[str]] = {
        "platform": ("--role", "user", "--prefix", "vault://", *(word for one in rights for word in ("--right", one))),
        "revision": ("--role", "auditor"),
    }
    for group, words in given.items():
        cluster.bind(group, "--member", f"group:corp:{group}", *words)


def _public(file: Path) -> str:
    return " ".join(file.read_text(encoding="utf-8").split()[:2])


def shown(public: Path) -> str:
    return run("ssh-keygen", "-l", "-f", str(public)).split()[1]
