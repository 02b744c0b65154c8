"""The steps `issuer` and `administrator`: one real login, by this command, whose ID token names the administrator.

m8 imports nothing of a client, so the login itself is a program of its own. What it hands over is verified here, by the
code and the settings with which m8 will verify those of all others.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import tomli_w

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code, Error, RefusedError, UsageError
from monoskope.host_port import HttpsUrl
from monoskope.m8.cli.access import bind, bindings
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.domain import role_bindings as rules
from monoskope.m8.issuers.discovery import TIMEOUT_S, Discovery
from monoskope.m8.issuers.jose import parse_jwks
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.settings import Issuer
from monoskope.m8.issuers.verifying import Issuers, Verified
from monoskope.times import wall_clock

LOGIN = "monoskope.monoctl.commands.handed_login"
"""The program that logs in."""

NAME = "corp"
"""The issuer's short name in members: `user:corp:5f0c…`."""

BINDING = "administrators"
"""The role binding of the first administrator."""


def trust_issuer(setup: Setup) -> str:
    """Let m8 take the logins of an issuer, once one of them has worked."""
    loaded = setup.loaded()
    if loaded.issuers:
        return f"m8 takes logins at {', '.join(issuer.issuer for issuer in loaded.issuers)}"
    ca, is_unknown = setup.asked.known("issuer_ca"), False

    def check(url: str) -> None:
        nonlocal is_unknown
        issuer = _issuer(setup, _tables(url, ca, "monoctl"))
        is_unknown = not ca and setup.asked.can_ask and not _is_trusted(url)
        if not is_unknown:
            _read_keys(issuer)

    url = setup.asked.get("issuer", check)
    if is_unknown:
        ca = setup.asked.get("issuer_ca", lambda file: _read_keys(_issuer(setup, _tables(url, file, "monoctl"))))
    ca = setup.authority("issuer_ca", ca)
    client_id = setup.asked.get("client_id", lambda text: _check(setup, _tables(url, ca, text)))
    tables = _tables(url, ca, client_id)
    try:
        setup.login = _log_in(setup, _issuer(setup, tables))
    except Error:
        setup.asked.forget("issuer", "client_id", "issuer_ca")
        raise
    setup.add({}, tables)
    return f"m8 takes logins at {url}"


def _tables(url: str, ca: str, client_id: str) -> str:
    """Return what `m8.toml` has of an issuer: everybody there is a member, who may do what role bindings say."""
    rule = {"match": {}, "name_claim": "sub", "groups": "groups"}
    authority = {"ca_file": str(Path(ca).absolute())} if ca else {}
    issuer = {"name": NAME, "issuer": url, "audience": client_id, **authority, "rules": [rule]}
    return tomli_w.dumps({"issuers": [issuer]})


def _issuer(setup: Setup, tables: str) -> Issuer:
    return setup.with_added({}, tables)[0].issuers[-1]


def _check(setup: Setup, tables: str) -> None:
    _issuer(setup, tables)


def _is_trusted(url: str) -> bool:
    """Whether an authority of the system vouches for the issuer; True if nothing answers, which is found later."""
    address = HttpsUrl.parse(url)
    assert address is not None, "the settings have checked it"
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection,
            ssl.create_default_context().wrap_socket(connection, server_hostname=address.host),
        ):
            return True
    except ssl.SSLCertVerificationError:
        return False
    except OSError:
        return True


def _read_keys(issuer: Issuer) -> None:
    """Raise unless the issuer shows its keys."""
    discovery = Discovery(issuer)
    discovery.check()
    parse_jwks(asyncio.run(discovery.read()), discovery.source)


def name_administrator(setup: Setup) -> str:
    """Give the role of an administrator to the member of the login that this command has made."""
    loaded = setup.loaded()
    known = [one for one in bindings(setup.folder).values() if one.role == events_pb2.ROLE_ADMINISTRATOR]
    if known:
        return f"{', '.join(str(member) for one in known for member in one.members)}, by {known[0].name}"
    if not loaded.issuers:
        raise UsageError("m8 takes nobody's logins yet.", fix=f"Run: m8 init issuer{setup.here}")
    wanted = setup.asked.known("issuer")
    issuer = next((one for one in loaded.issuers if one.issuer == wanted), loaded.issuers[0])
    login = setup.login or _log_in(setup, issuer)
    setup.asked.say("", f"The login that just ended at {issuer.issuer} is that of", "", f"  {login.member}", "")
    setup.asked.say(f"  subject {login.subject}", f"  groups  {', '.join(map(str, login.groups)) or 'none'}", "")
    _confirm(setup, login)
    role = events_pb2.ROLE_ADMINISTRATOR
    bind(setup.folder, rules.parse(name=BINDING, role=role, members=[str(login.member)], prefix="", rights=[]))
    return f"{login.member}, by the role binding {BINDING}"


def _confirm(setup: Setup, login: Verified) -> None:
    """Return if a person says that the member is the administrator, or if the file of answers names that member."""
    if setup.asked.known("administrator"):
        is_meant = setup.asked.known("administrator") == str(login.member)
    else:
        is_meant = setup.asked.get("administrator").lower() == "yes"
    if not is_meant:
        setup.login = None
        raise RefusedError(
            "that login is not confirmed as the first administrator's; nobody was made one.",
            fix=f"Let the right person log in: m8 init administrator{setup.here}",
        )


def _log_in(setup: Setup, issuer: Issuer) -> Verified:
    """Let somebody log in at this terminal, and return what m8 makes of their ID token.

    Raises:
        Error: the login fails, or m8 would not take its token.
    """
    asked = {
        "issuer": issuer.issuer,
        "client_id": issuer.audience,
        "scopes": setup.asked.known("login_scopes"),
        "ca_file": str(issuer.ca_file or ""),
        "by_browser": setup.by_browser,
    }
    with subprocess.Popen(  # noqa: S603 - a program of ours
        [sys.executable, "-P", "-m", LOGIN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            said, _ = process.communicate(json.dumps(asked).encode())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise KeyboardInterrupt
    told = json.loads(said)
    if "id_token" not in told:
        raise Error(told["message"], fix=told["fix"], code=Code(told["code"]))
    setup.asked.note("login_scopes", told["scopes"])
    discovery = Discovery(issuer)
    issuers = Issuers([(issuer, IssuerKeys(discovery.read, discovery.source))])
    return asyncio.run(issuers.verify(told["id_token"], now_s=wall_clock() / 1000))
