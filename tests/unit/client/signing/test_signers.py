"""Each kind of key signs from its file and through a real ssh-agent, and OpenSSH itself finds the signature good."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.signing import Signing
from monoskope.client.signing import agent as module
from monoskope.client.signing.agent import Agent, AgentSigner
from monoskope.client.signing.key_file import KeySigner
from monoskope.client.signing.signer import LocalSigner, from_line, signer_of
from monoskope.errors import Error, RefusedError, UnavailableError, UsageError
from monoskope.protocol.change import make_change
from monoskope.protocol.identity import Namespace, approval_statement, statement
from monoskope.protocol.sshsig import armoured, parse
from monoskope.protocol.sshsig.fields import string, uint32
from monoskope.testing.engines.openssh import Agent as RealAgent
from monoskope.testing.engines.openssh import make_key
from tests.support.ssh import TYPES, certify, keygen, need_security_key, run, shown
from tests.support.vectors import a_grant, a_request

PASSPHRASE = "correct horse battery staple"
SEALED = hashlib.sha256(b"sealed").digest()
GRANT = a_grant(a_request())
CHANGE = make_change(
    change_id=bytes(16),
    request=a_request(expect=upload_pb2.EXPECT_ABSENT),
    requester="anna@example.org",
    identity="SHA256:" + "A" * 43,
    not_after=2_000_000_000,
    keys=("password",),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {kind: keygen(folder / kind, kind) for kind in TYPES}


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture(scope="module")
def running() -> Iterator[RealAgent]:
    with RealAgent() as agent:
        yield agent


@pytest.fixture
def agent(running: RealAgent, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(running.socket))
    yield running
    running.forget()


def openssh_verifies(
    signature: bytes,
    allowed: str,
    folder: Path,
    *,
    namespace: Namespace = Namespace.REQUEST,
    message: bytes = statement(GRANT.sha256, SEALED),
) -> bool:
    """Whether `ssh-keygen -Y verify` finds the signature good, by a list with this line."""
    (folder / "sig").write_text(armoured(signature))
    (folder / "allowed").write_text(f"anna@example.org {allowed}\n")
    words = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "anna@example.org", "-s", "sig"]
    words += ["-n", namespace.value]
    return subprocess.run(words, input=message, cwd=folder, capture_output=True, check=False).returncode == 0


def check(signature: bytes, key: Path, folder: Path, *, ca: Path | None = None) -> None:
    """Check a signature as a reactor does, and as OpenSSH does."""
    found = parse(signature, Namespace.REQUEST)
    found.verify(statement(GRANT.sha256, SEALED))
    assert found.key.fingerprint == shown(key)
    assert (found.certificate is not None) == (ca is not None)
    line = Path(f"{key}.pub").read_text() if ca is None else f"cert-authority {Path(f'{ca}.pub').read_text()}"
    assert openssh_verifies(signature, line, folder)


@pytest.mark.parametrize("kind", TYPES)
async def test_a_private_key_file_signs(keys: dict[str, Path], tmp_path: Path, kind: str) -> None:
    signer = signer_of(str(keys[kind]))
    signer.prepare()
    check(await signer.sign(GRANT, SEALED), keys[kind], tmp_path)


@pytest.mark.parametrize("kind", TYPES)
async def test_an_agent_signs_for_a_public_key(
    keys: dict[str, Path], agent: RealAgent, tmp_path: Path, kind: str
) -> None:
    agent.add(keys[kind])
    signer = signer_of(f"{keys[kind]}.pub")
    signer.prepare()
    check(await signer.sign(GRANT, SEALED), keys[kind], tmp_path)


def approved(signature: bytes, key: Path, folder: Path, *, ca: Path | None = None) -> None:
    """Check an approval by one's own look and as OpenSSH does, and that it is no signature of a request."""
    found = parse(signature, Namespace.APPROVAL)
    found.verify(approval_statement(CHANGE.sha256))
    assert (found.key.fingerprint, found.certificate is not None) == (shown(key), ca is not None)
    line = Path(f"{key}.pub").read_text() if ca is None else f"cert-authority {Path(f'{ca}.pub').read_text()}"
    message = approval_statement(CHANGE.sha256)
    assert openssh_verifies(signature, line, folder, namespace=Namespace.APPROVAL, message=message)
    assert not openssh_verifies(signature, line, folder, message=message)


@pytest.mark.parametrize("kind", TYPES)
async def test_whatever_signs_requests_approves_in_a_namespace_of_its_own(
    keys: dict[str, Path], agent: RealAgent, tmp_path: Path, kind: str
) -> None:
    approved(await signer_of(str(keys[kind])).approve(CHANGE), keys[kind], tmp_path)
    agent.add(keys[kind])
    approved(await signer_of(f"{keys[kind]}.pub").approve(CHANGE), keys[kind], tmp_path)


async def test_a_certificate_approves(ca: Path, agent: RealAgent, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    certificate = certify(ca, key)
    approved(await signer_of(str(key)).approve(CHANGE), key, tmp_path, ca=ca)
    agent.add(key)
    approved(await signer_of(str(certificate)).approve(CHANGE), key, tmp_path, ca=ca)


async def test_a_security_key_approves(agent: RealAgent, tmp_path: Path) -> None:
    need_security_key("ed25519-sk")
    key = tmp_path / "key"
    make_key(key, "ed25519-sk")
    agent.add(key)
    signer = signer_of(f"{key}.pub")
    assert signer.needs_touch
    approved(await signer.approve(CHANGE), key, tmp_path)


@pytest.mark.parametrize("prefix", ["", "key::"])
async def test_a_public_key_is_given_as_itself_as_to_git(agent: RealAgent, tmp_path: Path, prefix: str) -> None:
    key = keygen(tmp_path / "key")
    agent.add(key)
    signer = signer_of(prefix + Path(f"{key}.pub").read_text())
    assert isinstance(signer, AgentSigner)
    check(await signer.sign(GRANT, SEALED), key, tmp_path)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-384", "rsa"])
async def test_a_certificate_beside_a_private_key_counts_at_once(ca: Path, tmp_path: Path, kind: str) -> None:
    key = keygen(tmp_path / "key", kind)
    signer = KeySigner(key)
    check(await signer.sign(GRANT, SEALED), key, tmp_path)
    certify(ca, key)
    check(await signer.sign(GRANT, SEALED), key, tmp_path, ca=ca)


@pytest.mark.parametrize("holds", ["the certificate", "the key alone"])
async def test_an_ssh_agent_signs_for_a_certificate(ca: Path, agent: RealAgent, tmp_path: Path, holds: str) -> None:
    key = keygen(tmp_path / "key")
    if holds == "the key alone":
        agent.add(key)
    certificate = certify(ca, key)
    if holds == "the certificate":
        agent.add(key)
    signer = signer_of(str(certificate))
    signer.prepare()
    check(await signer.sign(GRANT, SEALED), key, tmp_path, ca=ca)


async def test_a_passphrase_is_asked_for_before_anything_is_signed_and_once(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", passphrase=PASSPHRASE)
    answers = ["wrong", PASSPHRASE]
    signer = KeySigner(key, passphrase=lambda question: answers.pop(0))

    assert needs_answer(signer)
    signer.prepare()
    assert not needs_answer(signer)
    assert answers == []
    signer.prepare()
    check(await signer.sign(GRANT, SEALED), key, tmp_path)

    signer.forget()
    assert needs_answer(signer)


def test_what_opened_a_key_stands_in_no_repr_and_no_error(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", passphrase=PASSPHRASE)
    with pytest.raises(RefusedError, match="passphrase does not open") as caught:
        KeySigner(key, passphrase="a wrong one").prepare()
    assert "a wrong one" not in f"{caught.value!r} {caught.value}"
    signer = KeySigner(key, passphrase=PASSPHRASE)
    signer.prepare()
    assert PASSPHRASE not in repr(signer)


def needs_answer(signer: LocalSigner) -> bool:
    """Whether a person has to be asked."""
    return not signer.is_prepared


def private(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


def refusal(signer: LocalSigner) -> Error:
    with pytest.raises(Error) as caught:
        signer.prepare()
    assert caught.value.fix
    return caught.value


def test_without_a_terminal_a_passphrase_is_an_error_that_leads_to_the_agent(tmp_path: Path) -> None:
    error = refusal(KeySigner(keygen(tmp_path / "key", passphrase=PASSPHRASE)))
    assert isinstance(error, UsageError)
    assert "ssh-add" in error.fix


def test_a_private_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    key.chmod(0o644)
    assert isinstance(refusal(signer_of(str(key))), RefusedError)


def test_an_agent_that_is_locked_or_holds_other_keys_says_so_at_once(keys: dict[str, Path], agent: RealAgent) -> None:
    signer = signer_of(f"{keys['ed25519']}.pub")
    agent.add(keys["ecdsa-256"])
    error = refusal(signer)
    assert isinstance(error, UsageError), "to try again changes nothing"
    assert "it holds others" in error.message
    agent.add(keys["ed25519"])
    with agent.locked():
        assert "is locked" in refusal(signer).message
    signer.prepare()


async def test_an_agent_that_lost_the_key_says_so(keys: dict[str, Path], agent: RealAgent, tmp_path: Path) -> None:
    signer = signer_of(f"{keys['ed25519']}.pub")
    agent.add(keys["ed25519"])
    signer.prepare()
    agent.forget()
    with pytest.raises(UsageError, match="does not hold the signing key"):
        await signer.sign(GRANT, SEALED)
    agent.add(keys["ed25519"])
    check(await signer.sign(GRANT, SEALED), keys["ed25519"], tmp_path)


def test_no_agent_is_not_a_lost_one(keys: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signer = signer_of(f"{keys['ed25519']}.pub")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert isinstance(refusal(signer), UsageError)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    error = refusal(signer)
    assert isinstance(error, UnavailableError)
    assert "does not answer" in error.message


async def test_agents_told_no_do_not_sign(agent: RealAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keygen(tmp_path / "key")
    run("ssh-add", "-q", "-c", str(key), **agent.environment)  # it confirms each use, and has no program to ask with
    with pytest.raises(RefusedError, match="does not sign"):
        await signer_of(f"{key}.pub").sign(GRANT, SEALED)


@pytest.mark.parametrize(
    ("valid", "said"), [("-2h:-1h", "ended at"), ("+1h:+2h", "begins at")], ids=["ended", "not yet"]
)
def test_a_certificate_out_of_its_time_is_told_at_once(ca: Path, tmp_path: Path, valid: str, said: str) -> None:
    key = keygen(tmp_path / "key")
    certify(ca, key, valid=valid)
    error = refusal(KeySigner(key))
    assert said in error.message
    assert f"move {key}-cert.pub away" in error.fix


@pytest.mark.parametrize("kept", ["anna,root", ""])
def test_a_certificate_that_no_reactor_takes_is_told_at_once(ca: Path, tmp_path: Path, kept: str) -> None:
    key = keygen(tmp_path / "key")
    certify(ca, key, principals=kept) if kept else certify(ca, key, valid="always:forever")
    error = refusal(KeySigner(key))
    assert "cannot sign requests" in error.message
    assert ("exactly one principal" in error.fix, f"move {key}-cert.pub away" in error.fix) == (True, True)


def test_a_certificate_of_another_key_is_not_used(ca: Path, tmp_path: Path) -> None:
    key, other = keygen(tmp_path / "key"), keygen(tmp_path / "other")
    certify(ca, other).rename(tmp_path / "key-cert.pub")
    assert "no certificate of the key" in refusal(KeySigner(key)).message
    (tmp_path / "key-cert.pub").write_bytes(Path(f"{key}.pub").read_bytes())  # nor a public key in its place
    assert "no certificate of the key" in refusal(KeySigner(key)).message


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no key",
        "ssh-ed25519 AAAA",
        "ssh-dss AAAAB3NzaC1kc3MAAAA=",
        "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n!!!!\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    ],
    ids=["empty", "words", "cut", "DSA", "PKCS1", "no base64", "no container"],
)
def test_what_is_no_key_that_can_sign_is_told_with_what_to_do(tmp_path: Path, content: str) -> None:
    path = private(tmp_path / "key", content)
    with pytest.raises(UsageError) as caught:
        signer_of(str(path)).prepare()
    assert caught.value.fix


SECURITY_KEY = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(range(32))) + string(b"ssh:")


def container(*keys: bytes, magic: bytes = b"openssh-key-v1\0") -> str:
    """A private key file with these public halves, and nothing behind them."""
    head = magic + string(b"none") + string(b"none") + string(b"") + uint32(len(keys)) + b"".join(map(string, keys))
    body = base64.encodebytes(head).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----\n"


def test_the_file_of_a_security_key_leads_to_the_agent(tmp_path: Path) -> None:
    path = private(tmp_path / "id_sk", container(SECURITY_KEY))
    error = refusal(signer_of(str(path)))
    assert isinstance(error, UsageError)
    assert f"ssh-add {path}" in error.fix


def test_a_security_key_is_said_to_need_a_touch_and_others_are_not(keys: dict[str, Path]) -> None:
    line = f"sk-ssh-ed25519@openssh.com {base64.b64encode(SECURITY_KEY).decode()} anna"
    assert signer_of(line).public().needs_touch
    assert not signer_of(f"{keys['ed25519']}.pub").public().needs_touch


@pytest.mark.parametrize(
    "content",
    [container(SECURITY_KEY, SECURITY_KEY), container(SECURITY_KEY, magic=b"openssh-key-v2\0")],
    ids=["two keys", "another version"],
)
def test_a_private_key_file_of_another_form_is_told(tmp_path: Path, content: str) -> None:
    path = private(tmp_path / "key", content)
    message = refusal(signer_of(str(path))).message
    assert "exactly one key" in message or "malformed" in message


def test_a_private_key_in_another_format_is_told_how_to_become_one(tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "3072", "-m", "PEM", "-N", "", "-f", str(tmp_path / "key"))
    error = refusal(signer_of(str(tmp_path / "key")))
    assert "in OpenSSH's format" in error.message
    assert "ssh-keygen -p" in error.fix


def test_a_public_key_file_holds_one_key(keys: dict[str, Path], tmp_path: Path) -> None:
    lines = [Path(f"{keys[kind]}.pub").read_text() for kind in ("ed25519", "rsa")]
    path = tmp_path / "keys.pub"
    path.write_text("".join(lines))
    with pytest.raises(UsageError, match="exactly one key"):
        signer_of(str(path))
    path.write_text(f"# mine\n\n{lines[0]}")
    assert signer_of(str(path)).public().shown == shown(keys["ed25519"])


def test_a_pipe_is_no_signing_key() -> None:
    with pytest.raises(UsageError, match="cannot be a pipe"):
        signer_of("/dev/fd/0")


def test_without_unix_sockets_a_file_helps(
    keys: dict[str, Path], agent: RealAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("socket.AF_UNIX")
    assert "private key file" in refusal(signer_of(f"{keys['ed25519']}.pub")).fix


def test_a_certificate_that_ended_is_told_though_the_agent_holds_it(ca: Path, agent: RealAgent, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key")
    agent.add(key)
    assert "ended at" in refusal(signer_of(str(certify(ca, key, valid="-2h:-1h")))).message


@pytest.mark.parametrize("where", ["agent", "file", "file with a passphrase"])
async def test_a_certificate_that_ends_while_a_client_is_open_signs_nothing_more(
    ca: Path, agent: RealAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    key = keygen(tmp_path / "key")
    certificate = certify(ca, key)
    agent.add(key)
    if where == "file with a passphrase":
        run("ssh-keygen", "-q", "-p", "-P", "", "-N", "horse", "-f", str(key))
    signer = signer_of(str(certificate)) if where == "agent" else KeySigner(key, passphrase=lambda _: "horse")
    signer.prepare()
    await signer.sign(GRANT, SEALED)
    later = time.time() + 7_200
    monkeypatch.setattr("time.time", lambda: later)
    with pytest.raises(UsageError, match="ended at"):
        await signer.sign(GRANT, SEALED)
    if where != "agent":
        with pytest.raises(UsageError, match="ended at"):
            signer.prepare()


def test_a_short_rsa_key_is_told_before_a_key_is_asked_for(tmp_path: Path) -> None:
    run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "key"))
    with pytest.raises(UsageError, match=r"3,072"):
        signer_of(str(tmp_path / "key")).prepare()


class FakeAgent:
    """Listens as an ssh-agent does, and answers each message as a test says."""

    def __init__(self, path: Path) -> None:
        self.answers: list[bytes | None] = []
        """One for each message; None closes the connection, b"" keeps silent."""
        self.silent: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            connection.recv(65_536)
            answer = self.answers.pop(0) if self.answers else None
            if answer:
                connection.sendall(answer)
            if answer == b"":
                self.silent.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self.silent:
            connection.close()
        self._thread.join(30)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeAgent]:
    agent = FakeAgent(tmp_path / "s")
    yield agent
    agent.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "does not answer"),
        (string(b""), "does not speak"),
        (string(b"\x05"), "does not speak"),
        (string(b"\x0b" + uint32(0)), "does not speak"),
        (b"\xff\xff\xff\xff", "does not speak"),
        (string(b"\x0c\xff"), "does not speak"),
        (string(b"\x0c\x00\x00\x00\x02\x00"), "does not speak"),
    ],
    ids=["closed", "empty", "failure", "another kind", "too long", "cut", "fewer than said"],
)
def test_what_is_no_agents_answer_is_an_error(fake: FakeAgent, tmp_path: Path, answer: bytes | None, said: str) -> None:
    fake.answers = [answer]
    with pytest.raises(UnavailableError, match="nothing was sent") as caught:
        Agent(str(tmp_path / "s")).keys()
    assert said in caught.value.message
    assert caught.value.fix


def test_an_agent_that_keeps_silent_is_given_up(fake: FakeAgent, tmp_path: Path, keys: dict[str, Path]) -> None:
    fake.answers = [b""]
    public = from_line(Path(f"{keys['ed25519']}.pub").read_text(), "key")
    with pytest.raises(UnavailableError, match=r"within 0\.01 s"):
        Agent(str(tmp_path / "s")).sign(public, public.key.blob, b"message", within_s=0.01)


def test_an_agent_that_drips_is_given_up(fake: FakeAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a forwarded one, in which somebody else answers."""
    fake.answers = [string(b"\x0c" + uint32(0)), string(b"\x0c" + uint32(0))]
    assert Agent(str(tmp_path / "s")).keys() == {}
    seconds = iter([0.0, 9.0, 10.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with pytest.raises(UnavailableError, match="within 10 s"):
        Agent(str(tmp_path / "s")).keys()


async def test_waiting_for_a_signature_can_be_cancelled(fake: FakeAgent, tmp_path: Path, keys: dict[str, Path]) -> None:
    fake.answers = [b""]
    signer = AgentSigner(Path(f"{keys['ed25519']}.pub").read_text(), agent=Agent(str(tmp_path / "s")))
    waiting = asyncio.ensure_future(signer.sign(GRANT, SEALED))
    while not fake.silent:
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_agent_that_signs_with_sha_1_is_told(fake: FakeAgent, tmp_path: Path, keys: dict[str, Path]) -> None:
    public = from_line(Path(f"{keys['rsa']}.pub").read_text(), "key")
    listed = string(b"\x0c" + uint32(1) + string(public.key.blob) + string(b"comment"))
    signed = string(b"\x0e" + string(string(b"ssh-rsa") + string(bytes(384))))
    fake.answers = [listed, signed]
    signer = AgentSigner(lambda: public, agent=Agent(str(tmp_path / "s")))
    signing = Signing(signer, "", passphrase=None, blocks=False)
    with pytest.raises(RefusedError, match="algorithm is none of its key's"):
        await signing.sign(GRANT, SEALED)


async def test_an_agent_is_asked_for_its_list_once(fake: FakeAgent, tmp_path: Path, keys: dict[str, Path]) -> None:
    """Each question is a wait for another process, and each secret of many takes a signature."""
    public = from_line(Path(f"{keys['ed25519']}.pub").read_text(), "key")
    listed = string(b"\x0c" + uint32(1) + string(public.key.blob) + string(b"comment"))
    signed = string(b"\x0e" + string(string(b"ssh-ed25519") + string(bytes(64))))
    fake.answers = [listed, signed, signed]
    signer = AgentSigner(lambda: public, agent=Agent(str(tmp_path / "s")))
    for _ in range(2):
        signer.prepare()
        await signer.sign(GRANT, SEALED)
    assert fake.answers == []


def test_an_agent_says_what_it_holds(keys: dict[str, Path], agent: RealAgent) -> None:
    agent.add(keys["ed25519"])
    assert list(Agent(str(agent.socket)).keys().values()) == ["anna's key"]
