"""A real mail server on this machine: Postfix, which asks for TLS and delivers whatever comes to one folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path

from monoskope.testing.parts import Part, free_port, needed
from tests.support.audit_receivers import certificate

DOMAIN = "example.org"

UNWANTED = "unwanted words"
"""A mail that says this is refused for good, after it was sent."""

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
cyrus_sasl_config_path = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{domain}
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{nobody@{domain}=REJECT}}
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {folder}/tls.crt
smtpd_tls_key_file = {folder}/tls.key
body_checks = regexp:{{{{ /{unwanted}/ REJECT }}}}
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mail/
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""

_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{implicit} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{login} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_local_domain={domain}
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


_LOGINS = """
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {folder}/logins
mech_list: {mechanism}
"""

USER, PASSWORD = "m8", "the-mail-servers-own-password"


class Postfix:
    """It can die and return. What it has taken stays.

    Attributes:
        port: Where it takes mail after STARTTLS.
        implicit_port: Where TLS comes first.
        login_port: Where it takes mail after STARTTLS and a login of `USER`, once there are `logins`.
    """

    def __init__(self) -> None:
        # Not below pytest's folder, which is for one user: its daemons run as another one.
        self._made = tempfile.TemporaryDirectory(prefix="m8-postfix-")
        self._folder = folder = Path(self._made.name)
        folder.chmod(0o711)
        program = needed("postfix", "postfix")
        self.port, self.implicit_port, self.login_port = free_port(), free_port(), free_port()
        certificate(folder)
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", 65534, 65534)
        for name in ("queue", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "main.cf").write_text(_MAIN.format(folder=folder, domain=DOMAIN, unwanted=UNWANTED))
        (folder / "master.cf").write_text(
            _MASTER.format(port=self.port, implicit=self.implicit_port, login=self.login_port, domain=DOMAIN)
        )
        environment = {"PATH": f"/usr/sbin:/sbin:{os.environ['PATH']}"}
        # It makes the folders of the queue.
        subprocess.run([program, "-c", folder, "check"], check=True, capture_output=True, env=environment)
        daemons = subprocess.run(
            [needed("postconf", "postfix"), "-dh", "daemon_directory"], check=True, capture_output=True, text=True
        )
        self._part = Part(
            "postfix",
            [f"{daemons.stdout.strip()}/master", "-d", "-c", str(folder)],
            log=folder / "postfix.out",
            folder=folder,
            environment=environment,
        )

    @property
    def ca_file(self) -> Path:
        """The authority of its certificate."""
        return self._folder / "ca.crt"

    def logins(self, mechanism: str) -> None:
        """Let `USER` log in, by one mechanism of SASL."""
        (self._folder / "smtpd.conf").write_text(_LOGINS.format(folder=self._folder, mechanism=mechanism))
        logins = self._folder / "logins"
        command = [needed("saslpasswd2", "sasl2-bin"), "-p", "-c", "-u", DOMAIN, "-f", str(logins), USER]
        subprocess.run(command, input=PASSWORD.encode(), check=True, capture_output=True)
        shutil.chown(logins, "postfix")

    def start(self) -> None:
        """Take mail."""
        self._part.start()
        self._part.wait_for(self._greets)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"220 "
        except OSError:
            return False

    def die(self) -> None:
        """Take none."""
        self._part.stop()

    def forget(self) -> None:
        """Take no mail, and be as at first: nothing was taken, and nobody logs in."""
        self.die()
        for folder in ("mail", "queue"):
            for path in (self._folder / folder).rglob("*"):
                if path.is_file():
                    path.unlink()
        (self._folder / "smtpd.conf").unlink(missing_ok=True)

    def close(self) -> None:
        """End it for good."""
        self._part.kill()
        self._made.cleanup()

    def mails(self) -> list[EmailMessage]:
        """What was delivered, in no order."""
        parser = BytesParser(policy=default)
        return [parser.parsebytes(path.read_bytes()) for path in (self._folder / "mail").glob("new/*")]
