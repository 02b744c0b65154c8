"""The demo's chapters about signed requests: what m8 can write on its own, and what it can no longer write."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import tomli_w
from claims import check, must
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from narration import Narrator

from monoskope.exit_codes import ExitCode
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines import openssh

STORE = "local"
SECRET = f"{STORE}://team-a/user"
FILE = "user=anna/user.txt"
"""What anna has put there."""

SIGNERS: dict[str, Any] = {
    "file": "allowed_signers",
    "revoked": "revoked_keys",
    "may": [{"principal": "anna", "prefixes": ["team-a"], "purposes": ["upload", "compare"]}],
}
"""The table `[signers]` of the reactor's settings."""

ALONE = Path(__file__).with_name("alone.py")


class Signing:
    """Two chapters, about a store whose reactor runs and in which anna has put a secret.

    Args:
        cluster: It runs.
        tell: The narrator.
        anna: The user.
    """

    def __init__(self, cluster: Cluster, tell: Narrator, anna: User) -> None:
        self.cluster = cluster
        self.tell = tell
        self.anna = anna

    def show(self) -> None:
        """Tell both. Raises `DemoError` at the first claim that does not hold."""
        self._m8_writes()
        self._reactor_wants_signatures()
        self._m8_is_refused()

    def _m8_writes(self) -> None:
        self.tell.step("m8 cannot read. Could it write? As things are, yes")
        self.tell.say(
            "Who may write is m8's word: nothing proves the user to a reactor. alone.py has all that m8 has, and"
            " nothing of anna's. It makes itself a credential in her name, and puts a value of its own in the place of"
            " hers."
        )
        ran = self._alone()
        check("UPLOADED" in ran.out, "m8 could not write where no signature is wanted")
        must(self._compare(), ExitCode.DIFFERENT)
        self.tell.proven("anna's value is gone. She sees that it differs, and m8 has still read nothing.")

    def _reactor_wants_signatures(self) -> None:
        self.tell.step("So the reactor gets a list of keys, and acts only on what one of them signed")
        public = make_key(self.tell, self.anna)
        must(self.anna.monoctl("config", "set", "signing_key", "anna/id_m8"))
        home = self.cluster.folder / f"reactor-{STORE}"
        line = listed("request", "anna", public)
        write_private(home / "allowed_signers", f"{line}# end\n".encode(), replace=True)
        restart(self.cluster, SIGNERS)
        self.tell.say("Its operator turned [signers] on, and put her key where m8 cannot reach it:")
        self.tell.shown(f"reactor-{STORE}/allowed_signers: {line}")
        must(self.anna.monoctl("put", "secret", SECRET, "--from-file", FILE))
        self.tell.proven("anna's monoctl signed the put, and the reactor wrote it.")

    def _m8_is_refused(self) -> None:
        self.tell.step("m8 tries again, with everything it has")
        ran = self._alone()
        ends = [line.rpartition(":")[2].strip() for line in ran.out.splitlines()]
        check(ends == ["FAILED NOT_AUTHORIZED"] * 3, f"m8 was not refused each time: {', '.join(ends)}")
        self.tell.say("A signature fits one request, one one-time key and one content. So an old one is worth nothing.")
        must(self._compare())
        self.tell.proven("Refused each time. What anna put is still there: her signed comparison was answered.")

    def _alone(self) -> Ran:
        """Let m8 try to write, and show what it says."""
        command = (sys.executable, str(ALONE), "m8", SECRET, "anna")
        done = subprocess.run(command, cwd=self.cluster.folder, capture_output=True, text=True, check=False)
        ran = Ran("m8", ("python", ALONE.name, *command[2:]), done.returncode, done.stdout, done.stderr)
        self.tell.ran(ran)
        return must(ran)

    def _compare(self) -> Ran:
        return self.anna.monoctl("compare", "secret", SECRET, "--from-file", FILE)


def listed(namespace: str, name: str, public: str) -> str:
    """Return a line of a reactor's list: whose signatures of a namespace are by which key."""
    return f'{name} namespaces="{namespace}@monoskope" {public}\n'


def make_key(tell: Narrator, user: User) -> str:
    """Make a person's key with ssh-keygen, or without it where there is no OpenSSH. Return its public half."""
    file = user.home / "id_m8"
    if shutil.which("ssh-keygen") is not None:
        public = openssh.make_key(file).read_text(encoding="utf-8")
        tell.command(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{user.name}/id_m8"), who=user.name)
        return " ".join(public.split()[:2])
    tell.say(
        f"OpenSSH is not installed here, so the demo makes {user.name}'s key itself, in OpenSSH's form. With Debian's"
        " package openssh-client, ssh-keygen makes it."
    )
    key = Ed25519PrivateKey.generate()
    write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def restart(cluster: Cluster, signers: dict[str, Any]) -> None:
    """Write the table `[signers]` of the reactor's settings, and start it anew."""
    home = cluster.folder / f"reactor-{STORE}"
    cluster.reactors[home.name].stop()
    file = home / "reactor.toml"
    table = tomllib.loads(file.read_text(encoding="utf-8")) | {"signers": signers}
    write_private(file, tomli_w.dumps(table).encode(), replace=True)
    cluster.start_reactor(STORE)
