"""Stores that act on signed requests alone, on real parts: two reactors, a copy between, and every client."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from monoskope.settings import write_private
from monoskope.testing.cluster import Cluster, editing
from monoskope.testing.cluster.commands import Ran, User
from monoskope.testing.engines.openssh import Agent as RealAgent
from monoskope.testing.parts import wait_until
from tests.e2e.ran import ok, refused
from tests.support.quick_cluster import QuickCluster
from tests.support.ssh import certify, keygen, shown
from tests.support.typescript import bundle, in_node

ANNA = "anna@example.org"
STORES = ("one", "two")
CLIENTS = ["upload", "compare", "delete", "list"]
"""What the clients ask of the store `one`."""


@dataclass(frozen=True, slots=True)
class Signed:
    cluster: Cluster
    anna: User
    folder: Path
    agent: RealAgent

    @property
    def key(self) -> Path:
        return self.folder / "anna_key"

    def put(self, uri: str, *words: str, value: bytes = b"correct horse", key: Path | str | None = None) -> Ran:
        signing = () if key is None else ("--signing-key", str(key))
        command = ("put", "secret", uri, "--from-file", "password=-", "-o", "json", *signing, *words)
        return self.anna.monoctl(*command, input=value, environment=self.agent.environment)

    def home(self, store: str) -> Path:
        return self.cluster.folder / f"reactor-{store}"

    def audit(self, store: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in (self.home(store) / "audit.jsonl").read_text().splitlines()]

    def secrets(self, store: str) -> set[str]:
        return {path.name for path in (self.home(store) / "secrets").rglob("*") if path.is_file()}


def allow(home: Path, *lines: str, rules: Sequence[Mapping[str, object]]) -> None:
    write_private(home / "allowed_signers", "".join(f"{line}\n" for line in (*lines, "# end")).encode(), replace=True)
    lists = {"file": "allowed_signers", "revoked": "revoked_keys", "unsigned": ["verify"]}
    with editing(home / "reactor.toml") as table:
        table["signers"] = lists | {"may": list(rules)}
        table["timings"] = {"linger": 0.0}  # A key that was granted and not used holds up no end of the tests.


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signed]:
    folder = tmp_path_factory.mktemp("signed")
    key, ca = keygen(folder / "anna_key"), keygen(folder / "ca")
    with QuickCluster(folder / "cluster") as cluster, RealAgent() as agent:
        cluster.must("m8", "init", "folder", "--dir", "m8", "--listen", cluster.server)
        cluster.start_m8()
        cluster.make_local_reactor("one")
        cluster.make_local_reactor("two", server=cluster.server)
        cluster.share_fingerprint_key("reactor-one", "reactor-two")
        for store in STORES:
            cluster.allow_copy("one", store, source="t", destination="t")
        copies = cluster.must("m8", "reactor", "copy-key", "reactor-one").out.strip()
        line = f'{ANNA} namespaces="request@monoskope" {public(key)}'
        of_ca = f"*@example.org cert-authority {public(ca)}"
        upload = {"principal": ANNA, "prefixes": ["t"], "purposes": ["upload"]}
        copy = {"principal": ANNA, "prefixes": ["t"], "purposes": ["copy"], "destinations": ["one://t", "two://t"]}
        from_one = {"principal": "copies-from-one", "prefixes": ["t"], "purposes": ["upload"]}
        allow(cluster.folder / "reactor-one", line, of_ca, rules=[upload | {"purposes": CLIENTS}, copy, from_one])
        allow(cluster.folder / "reactor-two", line, copies, rules=[upload, from_one])
        for store in STORES:
            cluster.add_store(store)
            cluster.start_reactor(store)
        anna = cluster.add_user("anna", prefixes=[f"{store}://t" for store in STORES])
        yield Signed(cluster, anna, folder, agent)


def public(key: Path) -> str:
    return " ".join(Path(f"{key}.pub").read_text().split()[:2])


@pytest.mark.parametrize("store", STORES)
def test_what_anna_signed_is_written_and_the_store_says_that_she_did(signed: Signed, store: str) -> None:
    done = ok(signed.put(f"{store}://t/{store}", key=signed.key)).json()
    assert done["outcome"] == "UPLOADED"
    lines = [line for line in signed.audit(store) if line["request_id"] == done["request_id"]]
    assert [line["outcome"] for line in lines] == ["GRANTED", "AUTHORIZED", "STARTED", "UPLOADED"]
    assert {(line["signer"], line["signer_key"]) for line in lines[1:]} == {(ANNA, shown(signed.key))}


@pytest.mark.parametrize("store", STORES)
def test_what_nobody_signed_is_not_written(signed: Signed, store: str) -> None:
    before = signed.secrets(store)
    assert "no signing key is set; nothing was sealed" in refused(signed.put(f"{store}://t/unsigned"), 2)
    assert signed.secrets(store) == before


def test_a_strangers_key_is_told_nothing(signed: Signed, tmp_path: Path) -> None:
    before = signed.secrets("one")
    ran = signed.put("one://t/stranger", key=keygen(tmp_path / "stranger"))
    assert "(NOT_AUTHORIZED)" in refused(ran, ran.code)
    assert ran.code not in {0, 9}
    assert signed.secrets("one") == before
    [verdict] = [line for line in signed.audit("one") if line["outcome"] == "REFUSED"]
    assert verdict["detail"] == "the key, or the certificate's CA, is not in the list."


def copy(signed: Signed, name: str) -> Ran:
    words = ("copy", "secret", f"one://t/{name}", f"two://t/{name}", "-o", "json", "--signing-key", str(signed.key))
    return signed.anna.monoctl(*words)


def test_a_copy_is_signed_by_anna_here_and_by_the_reactors_copy_key_there(signed: Signed) -> None:
    ok(signed.put("one://t/copied", key=signed.key))
    done = ok(copy(signed, "copied")).json()
    assert done["outcome"] == "UPLOADED"
    there = [line for line in signed.audit("two") if line["uri"] == "two://t/copied" and line["signer"]]
    assert {line["signer"] for line in there} == {"copies-from-one"}
    assert {line["signer"] for line in signed.audit("one") if line["outcome"] == "COPIED"} == {ANNA}


def test_a_copy_within_the_store_needs_its_own_copy_key_on_its_list(signed: Signed) -> None:
    """It is listed while the reactor runs. The signature of anna's copy is never one of the put."""
    ok(signed.put("one://t/within", key=signed.key))
    words = ("one://t/within", "one://t/within.next", "--key", "password", "--signing-key", str(signed.key))
    before = signed.secrets("one")
    assert "NOT_AUTHORIZED" in signed.anna.monoctl("copy", "secret", *words).err
    assert signed.secrets("one") == before
    listed = signed.home("one") / "allowed_signers"
    line = next(one for one in (signed.home("two") / "allowed_signers").read_text().splitlines() if "copies" in one)
    write_private(listed, f"{line}\n{listed.read_text()}".encode(), replace=True)
    wait_until(lambda: signed.anna.monoctl("copy", "secret", *words).code == 0, what="the copy key is listed")
    there = [line for line in signed.audit("one") if line["uri"] == "one://t/within.next" and line["signer"]]
    assert {line["signer"] for line in there} == {"copies-from-one"}


def test_a_copy_without_a_copy_key_says_how_to_make_one(signed: Signed) -> None:
    ok(signed.put("one://t/keyless", key=signed.key))
    key = signed.home("one") / "copy.key"
    away = key.rename(key.with_name("copy.key.away"))
    try:
        message = refused(copy(signed, "keyless"), 3)
    finally:
        away.rename(key)
    assert "copy.key: see `m8 reactor copy-key`" in message


def test_stores_show_that_they_take_signed_requests(signed: Signed) -> None:
    shown_store = ok(signed.anna.monoctl("describe", "secret-store", "one", "-o", "json")).json()
    [reactor] = shown_store["reactors"]
    assert ("signatures" in reactor["capabilities"], reactor["signers_trouble"]) == (True, False)
    assert "required" in ok(signed.anna.monoctl("describe", "secret-store", "one")).out


def test_an_auditor_checks_every_write_against_the_list_as_the_page_says(signed: Signed, tmp_path: Path) -> None:
    done = ok(signed.put("one://t/audited", key=signed.key)).json()["request_id"]
    out = tmp_path / "signatures"
    rows = signed.cluster.must("m8", "events", "--dir", "m8", "signatures", "--out", str(out), "-o", "json").json()
    [row] = [row for row in rows if row["request_id"] == done]
    identity = signed.cluster.must("m8", "reactor", "identity", "reactor-one").out.strip()
    assert (row["signer"], row["identity"], row["wrong"]) == (ANNA, identity, "")
    page = (Path(__file__).parents[2] / "docs/operate/check-signatures.md").read_text(encoding="utf-8")
    [loop] = [block for block in page.split("```") if "ssh-keygen -Y verify" in block and block.startswith("sh\n")]
    listed = (signed.home("two") / "allowed_signers").read_text()  # anna, and the copy key of the other store
    for lines, said in ((listed, []), (listed.replace(ANNA, "ben@example.org"), [f"{ANNA} is not on the list"])):
        (tmp_path / "allowed_signers").write_text(lines)
        ran = subprocess.run(
            ["bash", "-euc", loop.removeprefix("sh\n")], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        found = {line.partition(": ")[0]: line.partition(": ")[2] for line in ran.stdout.splitlines()}
        assert [found[done]] == said if said else found == {}, ran


def test_an_agent_signs_for_a_public_key_and_says_so_if_it_does_not_hold_it(signed: Signed) -> None:
    signed.agent.forget()
    assert "does not hold the signing key" in refused(signed.put("one://t/agent", key=f"{signed.key}.pub"), 2)
    signed.agent.add(signed.key)
    done = ok(signed.put("one://t/agent", key=f"{signed.key}.pub")).json()
    assert (done["signer"], done["signer_key"]) == (ANNA, shown(signed.key))


def test_a_certificate_of_a_listed_ca_signs_as_its_principal(signed: Signed) -> None:
    fresh = keygen(signed.folder / "fresh")
    assert "(NOT_AUTHORIZED)" in refused(signed.put("one://t/certified", key=fresh), 17)
    certify(signed.folder / "ca", fresh, principals=ANNA)
    done = ok(signed.put("one://t/certified", key=fresh)).json()
    assert (done["signer"], done["signer_key"]) == (ANNA, shown(fresh))


def test_the_request_says_afterwards_who_signed_and_whether_that_was_the_callers_key(signed: Signed) -> None:
    request_id = ok(signed.put("one://t/asked", key=signed.key)).json()["request_id"]
    ask = ("get", "upload", request_id)
    own = ok(signed.anna.monoctl(*ask, "--signing-key", str(signed.key)))
    assert shown(signed.key) in own.out
    assert "it was signed with" not in own.err
    other = ok(signed.anna.monoctl(*ask, "--signing-key", str(keygen(signed.folder / "other"))))
    assert f"it was signed with {shown(signed.key)}; yours is" in other.err
    wide = ok(signed.anna.monoctl("get", "secret", "one://t/asked", "-o", "json")).json()
    assert (wide["signer"], wide["signer_key"]) == (ANNA, shown(signed.key))


def test_a_verification_needs_no_key_where_the_reactor_asks_for_none(signed: Signed) -> None:
    ok(signed.put("one://t/verified", key=signed.key))
    assert ok(signed.anna.monoctl("verify", "secret", "one://t/verified", "-o", "json")).json()["outcome"] == "IN_SYNC"


def test_the_typescript_client_signs_with_webcrypto_and_sends_nothing_unsigned(signed: Signed, tmp_path: Path) -> None:
    key = serialization.load_ssh_private_key(signed.key.read_bytes(), password=None)
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    given = {
        "server": f"https://{signed.cluster.server}",
        "token": signed.anna.token_file.read_text().strip(),
        "store": "one",
        "identity": signed.cluster.identities["one"],
        "prefix": "one://t/typescript",
        "value": "correct horse",
        "signingKey": base64.b64encode(key.private_bytes(*form)).decode(),
    }
    ca_file = signed.cluster.folder / "m8" / "ca.crt"
    found = in_node(bundle("test/door_node.ts", tmp_path), "honest", "unsigned", given=given, ca_file=ca_file)
    assert (found["honest"]["put"]["outcome"], found["honest"]["put"]["signerKey"]) == ("UPLOADED", shown(signed.key))
    assert found["honest"]["equal"]["outcome"] == "EQUAL"
    assert found["unsigned"] == {"ended": found["unsigned"]["ended"], "sent": False}
    assert "signed request alone" in found["unsigned"]["ended"]["message"]


def test_z_a_key_that_is_revoked_counts_no_more_and_the_reactor_goes_on(signed: Signed) -> None:
    """The copy key first, then anna's own: both lists are read anew while the reactors run."""
    ok(signed.put("one://t/revoked", key=signed.key))
    line = next(one for one in (signed.home("two") / "allowed_signers").read_text().splitlines() if "copies" in one)
    public = signed.home("two") / "copies.pub"
    public.write_text(" ".join(line.split()[2:]))
    write_private(
        signed.home("two") / "revoked_keys", f"{shown(public.with_suffix(''))}\n# end\n".encode(), replace=True
    )
    wait_until(lambda: "NOT_AUTHORIZED" in copy(signed, "revoked").err, what="the copy key is revoked")
    write_private(signed.home("one") / "revoked_keys", f"{shown(signed.key)}\n# end\n".encode(), replace=True)
    wait_until(
        lambda: "NOT_AUTHORIZED" in signed.put("one://t/revoked", "--overwrite", key=signed.key).err,
        what="anna's key is revoked",
    )
    write_private(signed.home("one") / "revoked_keys", b"", replace=True)
    reactor = signed.cluster.reactors["reactor-one"]
    wait_until(
        lambda: "does not end with the line `# end`" in reactor.log.read_text(), what="it was seen to be emptied"
    )
    assert "NOT_AUTHORIZED" in signed.put("one://t/revoked", "--overwrite", key=signed.key).err
    reactor.stop()
    assert "does not end with the line `# end`" in signed.cluster.run("m8", "reactor", "run", "reactor-one").err
