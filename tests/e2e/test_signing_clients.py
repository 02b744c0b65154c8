"""A store that takes signed requests alone, met by every client: an ssh-agent, a certificate, the HTTP example."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w
from cryptography.hazmat.primitives import serialization

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.openssh import Agent as RealAgent
from tests.e2e.ran import ok, refused
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import certify, keygen, shown
from tests.support.typescript import bundle, in_node

ANNA = "anna@example.org"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "http" / "put.py"
URI = "one://t/"


@dataclass(frozen=True, slots=True)
class Signing:
    """The cluster, anna with a key on the reactor's list, and a CA that it lists, too."""

    cluster: Cluster
    http: str
    anna: User
    folder: Path
    agent: RealAgent

    @property
    def key(self) -> Path:
        return self.folder / "key"

    def put(self, name: str, signing_key: Path | str, *words: str) -> Ran:
        signing = ("--signing-key", str(signing_key))
        command = ("put", "secret", URI + name, "--from-file", "password=-", "-o", "json", *signing, *words)
        return self.anna.monoctl(*command, input=b"correct horse", environment=self.agent.environment)


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signing]:
    folder = tmp_path_factory.mktemp("c")
    key, ca = keygen(folder / "key"), keygen(folder / "ca")
    with QuickCluster(folder / "cluster") as cluster, RealAgent() as agent:
        cluster.must("m8", "init", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("one")
        cluster.share_fingerprint_key("reactor-one")
        home = cluster.folder / "reactor-one"
        lines = [f"{ANNA} {public(key)}", f"*@example.org cert-authority {public(ca)}", "# end"]
        write_private(home / "allowed_signers", "".join(f"{line}\n" for line in lines).encode(), replace=True)
        rule = {"principal": ANNA, "prefixes": ["t"], "purposes": ["upload", "compare", "delete", "list"]}
        table = tomllib.loads((home / "reactor.toml").read_text())
        table["signers"] = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"], "may": [rule]}
        write_private(home / "reactor.toml", tomli_w.dumps(table).encode(), replace=True)
        cluster.add_store("one")
        cluster.start_reactor("one")
        anna = cluster.add_user("anna", prefixes=["one://t"])
        yield Signing(cluster, cluster.server, anna, folder, agent)


def public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


def test_an_agent_signs_for_a_public_key_and_says_so_if_it_does_not_hold_it(signing: Signing) -> None:
    signing.agent.forget()
    assert "does not hold the signing key" in refused(signing.put("agent", f"{signing.key}.pub"), 7)
    signing.agent.add(signing.key)
    done = ok(signing.put("agent", f"{signing.key}.pub")).json()
    assert (done["signer"], done["signer_key"]) == (ANNA, shown(signing.key))


def test_a_certificate_of_a_listed_ca_signs_as_its_principal(signing: Signing) -> None:
    fresh = keygen(signing.folder / "fresh")
    assert "(NOT_AUTHORIZED)" in refused(signing.put("certified", fresh), 17)
    certify(signing.folder / "ca", fresh, principals=ANNA)
    done = ok(signing.put("certified", fresh)).json()
    assert (done["signer"], done["signer_key"]) == (ANNA, shown(fresh))


def test_the_request_says_afterwards_who_signed_and_whether_that_was_the_callers_key(signing: Signing) -> None:
    request_id = ok(signing.put("asked", signing.key)).json()["request_id"]
    ask = ("get", "upload", request_id)
    own = ok(signing.anna.monoctl(*ask, "--signing-key", str(signing.key)))
    assert shown(signing.key) in own.out
    assert "it was signed with" not in own.err
    other = ok(signing.anna.monoctl(*ask, "--signing-key", str(keygen(signing.folder / "other"))))
    assert f"it was signed with {shown(signing.key)}; yours is" in other.err
    wide = ok(signing.anna.monoctl("get", "secret", URI + "asked", "-o", "json")).json()
    assert (wide["signer"], wide["signer_key"]) == (ANNA, shown(signing.key))


def test_a_verification_needs_no_key_where_the_reactor_asks_for_none(signing: Signing) -> None:
    ok(signing.put("verified", signing.key))
    assert ok(signing.anna.monoctl("verify", "secret", URI + "verified", "-o", "json")).json()["outcome"] == "IN_SYNC"


def test_the_http_example_signs_with_openssh_alone(signing: Signing) -> None:
    identity = signing.cluster.identities["one"]
    words = [signing.http, "m8/ca.crt", str(signing.anna.token_file), URI + "example", identity, "password"]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *words, "--signing-key", str(signing.key)],
        cwd=signing.cluster.folder,
        env={"PATH": os.defpath},
        input="correct horse",
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UPLOADED fp1:")


def test_the_typescript_client_signs_with_webcrypto_and_sends_nothing_unsigned(
    signing: Signing, tmp_path: Path
) -> None:
    key = serialization.load_ssh_private_key(signing.key.read_bytes(), password=None)
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    given = {
        "server": f"https://{signing.cluster.server}",
        "token": signing.anna.token_file.read_text().strip(),
        "store": "one",
        "identity": signing.cluster.identities["one"],
        "prefix": URI + "typescript",
        "value": "correct horse",
        "signingKey": base64.b64encode(key.private_bytes(*form)).decode(),
    }
    ca_file = signing.cluster.folder / "m8" / "ca.crt"
    found = in_node(bundle("test/door_node.ts", tmp_path), "honest", "unsigned", given=given, ca_file=ca_file)
    assert (found["honest"]["put"]["outcome"], found["honest"]["put"]["signerKey"]) == ("UPLOADED", shown(signing.key))
    assert found["honest"]["equal"]["outcome"] == "EQUAL"
    assert found["unsigned"] == {"ended": found["unsigned"]["ended"], "sent": False}
    assert "signed request alone" in found["unsigned"]["ended"]["message"]
