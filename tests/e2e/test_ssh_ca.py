"""From a login at the company to a signed write: docs/operate/ssh-ca.md and docs/signed-requests.md as they stand.

All parts are real: OpenBao is the company's issuer and the SSH CA; ssh-keygen, ssh-add and ssh-agent are OpenSSH's own.
What is played is the person at the browser: `bao login` opens it with `xdg-open`, and the one here logs in at once.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.engines.openbao import binary
from monoskope.testing.engines.openbao_company import Company, OidcClient
from monoskope.testing.engines.openssh import Agent, run
from monoskope.testing.parts import free_port, wait_until
from tests.e2e.operating import ROOT, blocks

PAGE, USERS = ROOT / "docs" / "operate" / "ssh-ca.md", ROOT / "docs" / "signed-requests.md"
ANNA = "anna@example.org"
SIGNERS = {
    "file": "allowed_signers",
    "revoked": "revoked_keys",
    "may": [{"principal": ANNA, "prefixes": ["team-a"], "purposes": ["upload"]}],
}
BROWSER = """\
#!{python}
import sys, urllib.request
from pathlib import Path
from monoskope.testing.engines.openbao_admin import Admin
from monoskope.testing.engines.openbao_company import Company
bao = Admin(address={address!r}, ca_file=Path({ca_file!r}), root_token="")
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(Company(bao).browse(sys.argv[1], "anna")).read()
"""


@dataclass
class Walk:
    """The company, the CA and the people, and what each of them types.

    Attributes:
        clients: By name: `m8`, `ca` for the login of people, `ci` for that of machines.
        agent: anna's ssh-agent.
        port: Where her `bao login` waits for the browser; the page has OpenBao's own choice.
    """

    cluster: Cluster
    company: Company
    clients: Mapping[str, OidcClient]
    agent: Agent
    home: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def certificate(self) -> Path:
        return self.home / ".ssh" / "m8-cert.pub"

    def type(self, line: str, *, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        line = line.replace("8250", str(self.port)).replace("role=people)", f"role=people port={self.port})")
        return subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=folder or self.home,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def do(self, lines: str, *, folder: Path | None = None, **environment: str) -> str:
        """Run lines in one shell, which ends at the first that fails; return what they printed."""
        done = self.type(f"set -e -o pipefail\n{lines}", folder=folder, **environment)
        assert done.returncode == 0, (lines, done.stdout, done.stderr)
        return done.stdout

    def log_in(self, method: str, role: str, token: str) -> subprocess.CompletedProcess[str]:
        """Bring an ID token to a login of the CA, as whoever got hold of it would."""
        return self.type(f"bao write -field=token auth/{method}/login role={role} jwt={token}")


def commands(page: Path, begin: str, end: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    assert text.count(f"\n## {begin}") == text.count(f"\n## {end}") == 1
    between = text[text.index(f"\n## {begin}") : text.index(f"\n## {end}")]
    return [body for kind, body in blocks(page) if kind == "sh" and body in between]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The CA as the page sets it up, and a reactor with its list."""
    top = tmp_path_factory.mktemp("ca")
    port = free_port()
    with Cluster(top) as cluster, Agent() as agent:
        cluster.start_openbao()
        cluster.start_m8()
        company = Company(cluster.bao)
        company.create()
        company.hire("anna", ANNA)
        redirect = f"http://localhost:{port}/oidc/callback"
        clients = {name: company.register(name, redirect) for name in ("m8", "ca", "ci")}
        anna = cluster.add_user("anna", prefixes=["local://team-a"], pin=False)
        walk = Walk(cluster, company, clients, agent, anna.home, port)
        walk.environment = people(walk, top / "bin")
        set_up(walk)
        yield walk


def people(walk: Walk, programs: Path) -> dict[str, str]:
    """What everybody's shell has: the programs, the browser among them, and where OpenBao is."""
    bao = walk.cluster.bao
    programs.mkdir()
    (programs / "bao").symlink_to(binary())
    browser = BROWSER.format(python=sys.executable, address=bao.address, ca_file=str(bao.ca_file))
    (programs / "xdg-open").write_text(browser)
    (programs / "xdg-open").chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    where = {"BAO_ADDR": bao.address, "BAO_CACERT": str(bao.ca_file)}
    return {"PATH": path, "HOME": str(walk.home), "LANG": "C.UTF-8"} | where | walk.agent.environment


def set_up(walk: Walk) -> None:
    """Do what the page tells the operator, in the folder of the reactor."""
    reactor = walk.cluster.folder / "reactor-local"
    walk.cluster.make_local_reactor("local")
    (reactor / "client-secret").write_text(walk.clients["ca"].secret)
    (reactor / "issuer-ca.pem").write_bytes(walk.cluster.bao.ca_file.read_bytes())
    subject = claims(walk.company.id_token(walk.clients["ci"], "anna"))["sub"]
    values = {"ISSUER": walk.company.issuer, "CA_CLIENT_ID": walk.clients["ca"].id}
    values |= {"CI_ISSUER": walk.company.issuer, "CI_AUDIENCE": walk.clients["ci"].id, "CI_SUBJECT": subject}
    lines = "".join(commands(PAGE, "1. The CA's key", "What people do"))
    walk.do(lines, folder=reactor, BAO_TOKEN=walk.cluster.bao.root_token, **values)
    with editing(reactor / "reactor.toml") as settings:
        settings["signers"] = SIGNERS
    walk.cluster.share_fingerprint_key(reactor.name)
    walk.cluster.add_store("local")
    walk.cluster.start_reactor("local")
    walk.cluster.pin_all(User("anna", walk.home, walk.cluster))


def claims(token: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def shown_by_ssh(certificate: Path) -> dict[str, str]:
    words = " ".join(run("ssh-keygen", "-L", "-f", str(certificate)).split())
    found = re.search(r"(Principals): (.*) (Critical Options): (.*) (Extensions): (.*)", words)
    assert found is not None, words
    return dict(zip(found.groups()[::2], found.groups()[1::2], strict=True))


def test_a_token_that_was_made_for_m8_gets_no_certificate(walk: Walk) -> None:
    replayed = walk.company.id_token(walk.clients["m8"], "anna")
    assert claims(replayed)["aud"] == walk.clients["m8"].id
    as_person = walk.log_in("oidc", "people", replayed)
    assert as_person.returncode == 2
    assert "role with oidc role_type is not allowed" in as_person.stderr
    as_machine = walk.log_in("jwt", "ci", replayed)
    assert as_machine.returncode == 2
    assert "invalid audience (aud) claim" in as_machine.stderr
    # The same login takes a token for the CA: what refused the other one is its audience.
    assert walk.log_in("jwt", "ci", walk.company.id_token(walk.clients["ci"], "anna")).stdout.startswith("s.")


@pytest.fixture(scope="module")
def session(walk: Walk) -> str:
    """Have anna make her key and log in, as the page says; return her token of OpenBao's."""
    make, log_in, tell, _ = commands(USERS, "A certificate for a working day", "Security keys")
    return walk.do(make + log_in + tell + 'printf %s "$BAO_TOKEN"\n').split()[-1]


def put(walk: Walk, key: str = "") -> subprocess.CompletedProcess[str]:
    line = commands(USERS, "A certificate for a working day", "Security keys")[-1]
    return walk.type(line, MONOCTL_SIGNING_KEY=key)


@pytest.mark.usefixtures("session")
def test_from_a_login_to_a_signed_write(walk: Walk) -> None:
    assert shown_by_ssh(walk.certificate) == {"Principals": ANNA, "Critical Options": "(none)", "Extensions": "(none)"}
    assert [line.split()[0] for line in walk.agent.held()] == ["ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"]
    assert "UPLOADED" in put(walk).stdout
    shown = json.loads(walk.do("monoctl get secret local://team-a/db -o json"))
    assert shown["signer"] == ANNA
    assert shown["signer_key"] == run("ssh-keygen", "-l", "-f", str(walk.home / ".ssh" / "m8.pub")).split()[1]


@pytest.mark.usefixtures("session")
def test_without_its_certificate_the_key_is_worth_nothing(walk: Walk) -> None:
    key = str(walk.home / ".ssh" / "m8")
    assert put(walk, key).returncode == ExitCode.OK, "the certificate lies beside it"
    aside = walk.certificate.rename(walk.home / "aside")
    try:
        assert put(walk, key).returncode == ExitCode.NOT_AUTHORIZED
    finally:
        aside.rename(walk.certificate)


@pytest.mark.usefixtures("session")
def test_a_serial_number_that_is_revoked_ends_the_certificate_at_once(walk: Walk) -> None:
    shown = run("ssh-keygen", "-L", "-f", str(walk.certificate))
    ca, serial = re.search(r"Signing CA: \S+ (SHA256:\S+) ", shown), re.search(r"Serial: (\d+)", shown)
    assert ca is not None
    assert serial is not None
    revoked = walk.cluster.folder / "reactor-local" / "revoked_keys"
    write_private(revoked, f"{ca[1]} serial {serial[1]}\n# end\n".encode(), replace=True)
    try:
        wait_until(lambda: put(walk).returncode == ExitCode.NOT_AUTHORIZED, what="the reactor has read its list")
    finally:
        write_private(revoked, b"# end\n", replace=True)
    wait_until(lambda: put(walk).returncode == ExitCode.OK, what="the reactor has read its list again")


@pytest.mark.parametrize(
    "asked",
    ["valid_principals=ben@example.org", f"valid_principals={ANNA},ben@example.org", "ttl=24h", "cert_type=host"],
)
def test_the_ca_signs_for_ones_own_name_and_a_working_day_alone(walk: Walk, session: str, asked: str) -> None:
    refused = walk.type(f"bao write ssh/sign/people public_key=@.ssh/m8.pub {asked}", BAO_TOKEN=session)
    assert refused.returncode == 2
    assert "Code: 400" in refused.stderr
