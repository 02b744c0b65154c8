"""A company's newcomer: one comparison with a bundle that m8 itself publishes, a login, and a put that they signed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.protocol.bundle import Bundle
from monoskope.protocol.identity import grouped
from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import User
from monoskope.testing.parts import program, wait_until
from tests.support import openid_provider
from tests.support.logins import address_of
from tests.support.openid_provider import CLIENT_ID, OpenIdProvider
from tests.support.quick_cluster import QuickCluster

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
BINDING = ("--role", "user", "--member", "group:corp:platform", "--prefix", "local://platform", "--right", "put")
SIGNERS = {
    "file": "allowed_signers",
    "revoked": "revoked_keys",
    "may": [{"principal": "anna", "prefixes": ["platform"], "purposes": ["upload"]}],
}


@pytest.fixture
def company(tmp_path: Path, provider: OpenIdProvider) -> Iterator[Cluster]:
    """An m8 with a private CA and an issuer, a store that takes signed requests alone, and who may put there."""
    with QuickCluster(tmp_path / "company") as cluster:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        with (cluster.folder / "m8" / "m8.toml").open("a", encoding="utf-8") as file:
            file.write(RULES.format(issuer=provider.issuer, audience=CLIENT_ID, ca=provider.ca_file))
        cluster.start_m8()
        cluster.bind("platform", *BINDING)
        cluster.make_local_reactor("local")
        home = cluster.folder / "reactor-local"
        with editing(home / "reactor.toml") as table:
            table["signers"] = SIGNERS
        write_private(home / "allowed_signers", b"# end\n", replace=True)
        cluster.share_fingerprint_key("reactor-local")
        cluster.add_store("local")
        cluster.start_reactor("local")
        yield cluster


def published(company: Cluster, provider: OpenIdProvider) -> Bundle:
    """Publish the bundle that the administrator makes of their own pins and settings."""
    administrator = company.administrator
    company.pin_all(administrator)
    for name, value in (
        ("login_issuer", provider.issuer),
        ("login_client_id", CLIENT_ID),
        ("login_scopes", "groups"),
        ("login_ca_file", str(provider.ca_file)),
    ):
        company.must("monoctl", "config", "set", name, value, user=administrator)
    wait_until(lambda: administrator.monoctl("get", "log").code == 0, what="m8 has signed its log")
    made = company.must("monoctl", "config", "bundle", "m8/bundle.json", "--contact", "Ben, 1", user=administrator)
    bundle = Bundle.parse((company.folder / "m8" / "bundle.json").read_bytes())
    assert grouped(bundle.fingerprint) in made.out
    company.m8.stop()
    file = company.folder / "m8" / "m8.toml"
    write_private(file, f'bundle = "bundle.json"\n{file.read_text()}'.encode(), replace=True)
    company.start_m8()
    return bundle


def joined(company: Cluster, provider: OpenIdProvider, newcomer: User, *words: str) -> str:
    """Join as the newcomer, who logs in as anna; return what is printed."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(newcomer.home), "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        [program("monoctl"), "join", f"https://{company.server}", "--no-browser", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    openid_provider.User(provider).sign_in(address_of(process))
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def test_one_comparison_and_a_login_lead_to_a_signed_put(company: Cluster, provider: OpenIdProvider) -> None:
    bundle = published(company, provider)
    newcomer = User("anna", company.folder / "anna", company)
    newcomer.home.mkdir(mode=0o700)

    line = joined(company, provider, newcomer, "--fingerprint", grouped(bundle.fingerprint)).splitlines()[-1]

    assert line.startswith('anna namespaces="request@monoskope" ssh-ed25519 ')
    assert " user:corp:anna SHA256:" in line
    put = ("put", "secret", "local://platform/db", "--from-file", "password=-")
    refused = newcomer.monoctl(*put, input=b"correct horse")
    assert refused.code == 17, refused.err  # not on the store's list yet: everything else is there

    company.reactors["reactor-local"].stop()
    signers = company.folder / "reactor-local" / "allowed_signers"
    write_private(signers, f"{line}\n# end\n".encode(), replace=True)
    company.start_reactor("local")
    done = newcomer.monoctl(*put, input=b"correct horse")
    assert (done.code, "UPLOADED" in done.out) == (0, True), done.err

    again = newcomer.monoctl("join", f"https://{company.server}", "--fingerprint", bundle.fingerprint)
    assert again.code == 0, again.err  # without another login
    assert "New pins: none." in again.out
    assert again.out.splitlines()[-1] == line
