"""The page that sets a company up, typed as it stands: from nothing to a signed put by a person who joined.

PostgreSQL, the OpenID provider and OpenBao are real. What only root of a whole machine can do is not done: users, pipx
and systemd; the units' own command lines run in their place.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.parts import free_port, program, wait_until
from tests.e2e.operating import OPERATE, ROOT, Typist, is_attached
from tests.support import openid_provider, warm
from tests.support.openid_provider import OpenIdProvider, User
from tests.unit.monoctl.on_terminal import Steps, converse

PAGE = OPERATE / "company.md"
MOST = 15
"""Commands on the page."""

_BLOCK = re.compile(r"^```(?P<kind>sh|toml|text)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FINGERPRINT = re.compile(r"SHA256:(?: \S{4}){10} \S{3}")
_ADDRESS = re.compile(r"https://\S+(?:user_code=|response_type=code)[^\s,]+")
_EXTRAS = re.compile(r"monoskope\[(?P<extras>[a-z0-9,]+)\]")


def blocks() -> list[tuple[str, str]]:
    return [(match["kind"], match["body"].strip()) for match in _BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]


def commands() -> list[str]:
    return [line for kind, body in blocks() if kind == "sh" for line in body.splitlines()]


@dataclass
class Company:
    """Machines and people of one company, each with a home."""

    top: Path
    postgres: Postgres
    provider: OpenIdProvider
    bao: OpenBao
    root: Typist = field(init=False)
    laptops: dict[str, Typist] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    """What somebody has read: fingerprints, the identity, the line for the list of signers."""

    def __post_init__(self) -> None:
        self.root = self.person("root")
        self.root.port = free_port()
        self.m8, self.vault = self.top / "monoskope", self.top / "monoskope-vault"

    def person(self, name: str) -> Typist:
        (self.top / name).mkdir()
        return Typist.at(self.top / name)

    def adapted(self, line: str) -> str:
        """Type what there is in the place of what only this page's company has."""
        for shown, there in (
            ("/var/lib/monoskope-vault", str(self.vault)),
            ("/var/lib/monoskope", str(self.m8)),
            ("/etc/systemd/system", str(self.top / "system")),
            ("m8.example.org:7443", f"localhost:{self.root.port}"),
            ("https://bao.example:8200", self.bao.address),
            ("group:corp:team-a", "group:corp:platform"),
            ("SHA256:…", self.known.get("identity", "")),
        ):
            line = line.replace(shown, there)
        return re.sub(r"^runuser -u \S+ -- ", "", line)

    def logs_in(self, name: str) -> Callable[[str], bytes]:
        """Return what somebody does who is shown an address: they sign in there."""

        def sign_in(shown: str) -> bytes:
            User(self.provider, name).sign_in(_ADDRESS.findall(shown)[-1])
            return b""

        return sign_in

    def talk(self, who: Typist, line: str, steps: Steps) -> str:
        name, *words = self.adapted(line).split()
        done = converse([program(name), *words], steps, who.environment, folder=str(who.folder), piped=False)
        assert done.code == 0, done.shown
        return done.shown

    def quietly(self, who: Typist, line: str) -> str:
        done = who.shell(self.adapted(line))
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def does(self, line: str) -> None:
        """Do one command of the page, as whoever it is for."""
        for begins, do in (
            ("useradd ", self.adds_a_user),
            ("PIPX_HOME=", self.installs),
            ("runuser -u monoskope -- m8 init ", self.sets_up),
            ("cp ", self.copies),
            ("systemctl enable --now m8", self.starts_m8),
            ("monoctl join bundle.json", self.joins_first),
            ("runuser -u monoskope-vault -- m8 reactor init ", self.makes_a_reactor),
            ("systemctl enable --now monoskope-reactor@vault", self.starts_the_reactor),
            ("monoctl create ", lambda line: self.quietly(self.laptops["ada"], line)),
            ("monoctl config bundle", self.makes_the_bundle),
            ("monoctl join monoskope-bundle.json", self.anna_joins),
            ("printf ", self.anna_puts),
        ):
            if line.startswith(begins):
                do(line)
                return
        raise AssertionError(line)

    def adds_a_user(self, line: str) -> None:
        home = Path(self.adapted(line).split("--home-dir ")[1].split()[0])
        home.mkdir()
        home.chmod(0o755)  # as useradd does on Debian

    def installs(self, line: str) -> None:
        match = _EXTRAS.search(line)
        assert match is not None
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert set(match["extras"].split(",")) <= project["optional-dependencies"].keys()

    def sets_up(self, line: str) -> None:
        self.postgres.sql("DROP ROLE m8")
        self.postgres.sql("ALTER ROLE postgres PASSWORD 'only a test'")
        url = f"127.0.0.1:{self.postgres.port}"
        steps: Steps = [
            ("By which name", f"localhost:{self.root.port}\n".encode()),
            ("PostgreSQL for the log", f"postgresql://m8@{url}/m8\n".encode()),
            ("signed the database's certificate", f"{self.postgres.ca_file}\n".encode()),
            ("as which superuser", f"postgresql://postgres:only%20a%20test@{url}/postgres\n".encode()),
            ("Certificate of m8", b"\n"),
            ("OpenID provider", f"{self.provider.issuer}\n".encode()),
            ("signed the provider's certificate", f"{self.provider.ca_file}\n".encode()),
            ("calls the clients of m8", b"\n"),
            ("and compare the code", self.logs_in("ada")),
            ("Type yes", b"yes\n"),
            ("Folder for backups", f"{self.top / 'backups'}\n".encode()),
        ]
        shown = self.talk(self.root, line, steps)
        assert "only" not in shown
        assert "user:corp:ada" in shown
        assert "AGE-SECRET-KEY-1" in shown
        self.known["first"] = _FINGERPRINT.findall(shown)[-1]

    def copies(self, line: str) -> None:
        (self.top / "system").mkdir(exist_ok=True)
        self.quietly(self.root, line)

    def started(self, line: str) -> str:
        """Return what systemd would run that is told to start units, which have been copied."""
        units = [self.top / "system" / name for name in line.split()[3:]]
        assert all(unit.exists() for unit in units)
        [start] = re.findall(r"^ExecStart=\S+/(m8 .*)$", units[0].read_text(encoding="utf-8"), re.MULTILINE)
        return str(start)

    def starts_m8(self, line: str) -> None:
        self.root.begin(self.started(line), self.root.serving)

    def joins(self, name: str, line: str, fingerprint: str) -> str:
        steps: Steps = [
            ("that you were told", f"{fingerprint}\n".encode()),
            ("prompt=consent\r\n", self.logs_in(name)),
        ]
        return self.talk(self.laptops[name], f"{line} --no-browser", steps)

    def joins_first(self, line: str) -> None:
        self.laptops["ada"] = self.person("ada")
        shutil.copy(self.m8 / "m8" / "bundle.json", self.laptops["ada"].folder)
        self.joins("ada", line, self.known["first"])

    def makes_a_reactor(self, line: str) -> None:
        for name, content in (("ca.crt", self.m8 / "m8" / "ca.crt"), ("bao-ca.pem", self.bao.ca_file)):
            shutil.copy(content, self.vault / name)
        write_private(self.vault / "bao.token", self.bao.root_token.encode())
        done = warm.typed(*self.adapted(line).split(), environment=self.root.environment, folder=self.root.folder)
        assert done.returncode == 0, done.stderr
        self.known["identity"] = done.stdout.splitlines()[-1]
        # Its unit lets it lock its memory; no unit starts it here.
        file = self.vault / "reactor.toml"
        file.write_text(f"allow_swap = true\n{file.read_text(encoding='utf-8')}", encoding="utf-8")

    def writes(self, table: str) -> None:
        """Add a table of the page to the settings of the reactor."""
        with (self.vault / "reactor.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{table}\n")

    def starts_the_reactor(self, line: str) -> None:
        self.root.begin(self.started(line), is_attached)

    def makes_the_bundle(self, line: str) -> None:
        self.known["bundle"] = _FINGERPRINT.findall(self.quietly(self.laptops["ada"], line))[-1]

    def anna_joins(self, line: str) -> None:
        self.laptops["anna"] = self.person("anna")
        shutil.copy(self.laptops["ada"].folder / "monoskope-bundle.json", self.laptops["anna"].folder)
        shown = self.joins("anna", line, self.known["bundle"])
        signers = self.vault / "allowed_signers"
        [told] = re.findall(r"^\S+ namespaces=\S+ ssh-\S+ \S+.*$", shown.replace("\r", ""), re.MULTILINE)
        signers.write_text(signers.read_text(encoding="utf-8").replace("# end", f"{told}\n# end"), encoding="utf-8")

    def anna_puts(self, line: str) -> None:
        def is_put() -> bool:
            done = self.laptops["anna"].shell(self.adapted(line))
            self.known["put"] = done.stdout
            return done.returncode == ExitCode.OK

        wait_until(is_put, what="the list counts, once it has rested for a second")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with (
        Postgres(fsync=False) as postgres,
        openid_provider.running(tmp_path) as provider,
        OpenBao(tmp_path / "bao") as bao,
    ):
        bao.enable_kv()
        found = Company(tmp_path, postgres, provider, bao)
        yield found
        found.root.stop()


def test_a_company_is_set_up_by_what_the_page_says(company: Company) -> None:
    for kind, body in blocks():
        if kind == "sh":
            for line in body.replace(" && ", "\n").splitlines():
                company.does(line)
        elif kind == "toml":
            company.writes(body)
        else:
            assert body in company.known["put"]
    assert company.bao.call("GET", "secret/data/team-a/db")["data"]["data"] == {"password": "s3cret"}
    checks = company.quietly(company.root, "m8 doctor --dir /var/lib/monoskope/m8")
    assert "FAIL" not in checks


def test_the_page_has_no_more_commands_and_words_than_it_promises() -> None:
    assert len(commands()) <= MOST
    words = {page: len((OPERATE / f"{page}.md").read_text(encoding="utf-8").split()) for page in ("company", "install")}
    assert words["company"] < words["install"]
