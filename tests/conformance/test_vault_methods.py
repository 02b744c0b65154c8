"""Logging in to a real OpenBao by JWT, Kubernetes and TLS certificate; the Kubernetes behind it is a stand-in."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc import jwt
from joserfc.jwk import ECKey

from monoskope.stores.driver import NOTHING, StoreRefusedError
from monoskope.stores.vault.config import AppRole, ClientCertificate, Jwt, Kubernetes
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.testing.drivers.harness import tag
from monoskope.testing.engines.openbao import OpenBao
from tests.conformance.token_review import TokenReview, serving
from tests.conformance.vault_harness import VALUE, Auth, NamespaceHarness, VaultHarness, audited, in_time, until


def enabled(harness: VaultHarness, kind: str) -> str:
    """Enable a method at a place of its own, inside another, and return that place."""
    mount = f"by/{kind}-{secrets.token_hex(4)}"
    harness.bao.call("POST", f"sys/auth/{mount}", {"type": kind})
    return mount


async def works(harness: VaultHarness, auth: Auth) -> None:
    """Log in, write, read, and give the token back."""
    store = await harness.opened(auth)
    version = await store.write(("a",), VALUE, replacing=None, write_tag=tag())
    snapshot = await store.read(("a",))
    assert snapshot is not None
    assert snapshot.version == version
    before = audited(harness.bao, "auth/token/revoke-self")
    await store.close()
    assert audited(harness.bao, "auth/token/revoke-self") == before + 1


async def refused(harness: VaultHarness, auth: Auth, match: str) -> str:
    with pytest.raises(StoreRefusedError, match=match) as caught:
        await harness.opened(auth)
    assert caught.value.__cause__ is None
    return str(caught.value)


class Issuer:
    """Whoever makes JWTs that the engine believes."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256")

    def token(self, lifetime_s: int = 600, /, **claims: object) -> str:
        now = int(time.time())
        body = {"iss": "tests", "aud": ["openbao"], "sub": "m8", "iat": now, "exp": now + lifetime_s}
        return jwt.encode({"alg": "ES256"}, body | claims, self.key)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def jwt_mount(harness: VaultHarness, issuer: Issuer) -> str:
    mount = enabled(harness, "jwt")
    public = issuer.key.as_pem(private=False).decode()
    harness.bao.call("POST", f"auth/{mount}/config", {"jwt_validation_pubkeys": [public], "bound_issuer": "tests"})
    role = {
        "role_type": "jwt",
        "bound_audiences": ["openbao"],
        "bound_subject": "m8",
        "user_claim": "sub",
        "token_policies": [harness.role],
    }
    harness.bao.call("POST", f"auth/{mount}/role/m8", role)
    return mount


async def test_a_jwt_logs_in(harness: VaultHarness, issuer: Issuer, jwt_mount: str) -> None:
    await works(harness, Jwt(role="m8", jwt_file=harness.private(issuer.token()), mount=jwt_mount))


async def test_the_jwt_is_read_again_at_each_login(harness: VaultHarness, issuer: Issuer, jwt_mount: str) -> None:
    file = harness.private(issuer.token())
    store = await harness.opened(Jwt(role="m8", jwt_file=file, mount=jwt_mount))
    harness.bao.call("POST", f"sys/leases/revoke-prefix/auth/{jwt_mount}/login", {})
    harness.private(issuer.token(sub="somebody else"), file=file)
    with pytest.raises(StoreRefusedError, match="JWT login"):
        await store.read_version(("fresh",))
    harness.private(issuer.token(), file=file)
    assert await store.read_version(("fresh",)) == NOTHING


@pytest.mark.parametrize(
    ("lifetime_s", "claims"),
    [(-700, {}), (600, {"aud": ["elsewhere"]}), (600, {"sub": "somebody else"}), (600, {"iss": "somebody else"})],
)
async def test_a_jwt_that_does_not_fit_is_refused_and_not_shown(
    harness: VaultHarness, issuer: Issuer, jwt_mount: str, lifetime_s: int, claims: dict[str, object]
) -> None:
    token = issuer.token(lifetime_s, **claims)
    said = await refused(harness, Jwt(role="m8", jwt_file=harness.private(token), mount=jwt_mount), "JWT login")
    assert token not in said


async def test_a_jwt_that_others_can_read_is_refused(harness: VaultHarness, issuer: Issuer, jwt_mount: str) -> None:
    file = harness.private(issuer.token(), mode=0o644)
    await refused(harness, Jwt(role="m8", jwt_file=file, mount=jwt_mount), "chmod 600")


@pytest.mark.parametrize("content", ["", "not a jwt", "a.b", "a.b.c\nd.e.f", "ä.b.c"])
async def test_what_is_no_jwt_is_not_sent(harness: VaultHarness, content: str) -> None:
    said = await refused(harness, Jwt(role="m8", jwt_file=harness.private(content), mount="nowhere"), "hold a JWT")
    assert not content or content not in said


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[TokenReview]:
    folder = tmp_path / "kubernetes"
    folder.mkdir()
    with serving(folder) as review:
        yield review


@pytest.fixture
def kubernetes_mount(harness: VaultHarness, cluster: TokenReview, issuer: Issuer) -> str:
    mount = enabled(harness, "kubernetes")
    config = {
        "kubernetes_host": cluster.address,
        "kubernetes_ca_cert": cluster.ca,
        "token_reviewer_jwt": issuer.token(sub="reviewer"),
        "disable_local_ca_jwt": True,
    }
    role = {
        "bound_service_account_names": ["m8"],
        "bound_service_account_namespaces": ["prod"],
        "audience": "openbao",
        "token_policies": [harness.role],
    }
    harness.bao.call("POST", f"auth/{mount}/config", config)
    harness.bao.call("POST", f"auth/{mount}/role/m8", role)
    return mount


def account_token(issuer: Issuer, cluster: TokenReview, *, name: str = "m8") -> str:
    """Return a token as a kubelet mounts it, which the cluster believes."""
    account = {"namespace": "prod", "serviceaccount": {"name": name, "uid": "u1"}}
    claims: dict[str, object] = {"kubernetes.io": account, "sub": f"system:serviceaccount:prod:{name}"}
    token = issuer.token(600, **claims)
    cluster.believed[token] = ("prod", name)
    return token


async def test_a_service_account_logs_in(
    harness: VaultHarness, issuer: Issuer, cluster: TokenReview, kubernetes_mount: str
) -> None:
    # As a kubelet mounts it: readable by all in the pod, behind a link.
    token = harness.private(account_token(issuer, cluster), mode=0o644)
    link = harness.folder / "token"
    link.symlink_to(token)
    await works(harness, Kubernetes(role="m8", jwt_file=str(link), mount=kubernetes_mount))
    assert len(cluster.reviewers) == 1


async def test_a_service_account_token_is_read_again_at_each_login(
    harness: VaultHarness, issuer: Issuer, cluster: TokenReview, kubernetes_mount: str
) -> None:
    file = harness.private(account_token(issuer, cluster))
    store = await harness.opened(Kubernetes(role="m8", jwt_file=file, mount=kubernetes_mount))
    cluster.believed.clear()
    harness.private(account_token(issuer, cluster), file=file)
    harness.bao.call("POST", f"sys/leases/revoke-prefix/auth/{kubernetes_mount}/login", {})
    assert await store.read_version(("fresh",)) == NOTHING


async def test_another_service_account_is_refused(
    harness: VaultHarness, issuer: Issuer, cluster: TokenReview, kubernetes_mount: str
) -> None:
    for token in (account_token(issuer, cluster, name="other"), issuer.token(sub="nobody")):
        auth = Kubernetes(role="m8", jwt_file=harness.private(token), mount=kubernetes_mount)
        said = await refused(harness, auth, "Kubernetes login")
        assert token not in said


async def test_outside_a_pod_the_missing_token_is_named(harness: VaultHarness) -> None:
    await refused(harness, Kubernetes(role="m8"), r"/var/run/secrets/kubernetes\.io/serviceaccount/token")


class Authority:
    """Whoever signs client certificates that the engine trusts."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Clients")])
        self.certificate = self._signed(self.name, self.key.public_key(), ca=True)

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool) -> str:
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def client(
        self, harness: VaultHarness, *, into: ClientCertificate | None = None, mount: str = "cert"
    ) -> ClientCertificate:
        """Write a new certificate and key, over the files of `into` if given."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "m8")])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        certificate_file, key_file = (into.certificate_file, into.key_file) if into else ("", "")
        return ClientCertificate(
            certificate_file=harness.private(self._signed(name, key.public_key(), ca=False), file=certificate_file),
            key_file=harness.private(pem.decode(), file=key_file),
            mount=mount,
            role="m8",
        )


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def cert_mount(harness: VaultHarness, authority: Authority) -> str:
    mount = enabled(harness, "cert")
    role = {"certificate": authority.certificate, "allowed_common_names": "m8", "token_policies": [harness.role]}
    harness.bao.call("POST", f"auth/{mount}/certs/m8", role | {"token_max_ttl": "1h"})
    return mount


async def test_a_client_certificate_logs_in(harness: VaultHarness, authority: Authority, cert_mount: str) -> None:
    await works(harness, authority.client(harness, mount=cert_mount))


async def test_a_login_is_renewed_by_certificate(harness: VaultHarness, authority: Authority, cert_mount: str) -> None:
    login, renew = f"auth/{cert_mount}/login", "auth/token/renew-self"
    auth, role = authority.client(harness, mount=cert_mount), {"certificate": authority.certificate}

    async def renewed(ttl_s: int) -> bool:
        lives = {"token_policies": [harness.role], "token_ttl": f"{ttl_s}s", "token_max_ttl": "1h"}
        harness.bao.call("POST", f"auth/{cert_mount}/certs/m8", role | lives)
        store = await harness.opened(auth)
        logins, renewals = (audited(harness.bao, path) for path in (login, renew))
        await until(lambda: audited(harness.bao, renew) >= renewals + 2)
        assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())
        again = audited(harness.bao, login) - logins
        await store.close()
        return again == 0

    await in_time(renewed)


async def test_a_new_certificate_is_shown_later(harness: VaultHarness, authority: Authority, cert_mount: str) -> None:
    auth = authority.client(harness, mount=cert_mount)
    store = await harness.opened(auth)
    fresh = Authority()
    fresh.client(harness, into=auth)
    role = {"certificate": fresh.certificate, "token_policies": [harness.role]}
    harness.bao.call("POST", f"auth/{cert_mount}/certs/m8", role)
    harness.bao.call("POST", f"sys/leases/revoke-prefix/auth/{cert_mount}/login", {})
    assert await store.write(("a",), VALUE, replacing=None, write_tag=tag())


async def test_a_certificate_of_another_authority_does_not_log_in(harness: VaultHarness, cert_mount: str) -> None:
    await refused(harness, Authority().client(harness, mount=cert_mount), "certificate login")


async def test_a_loose_or_wrong_key_is_refused(harness: VaultHarness, authority: Authority, cert_mount: str) -> None:
    one, other = (authority.client(harness, mount=cert_mount) for _ in range(2))
    mixed = ClientCertificate(certificate_file=one.certificate_file, key_file=other.key_file, mount=cert_mount)
    await refused(harness, mixed, "do not hold a certificate and its key")
    missing = ClientCertificate(certificate_file="/missing.pem", key_file=one.key_file, mount=cert_mount)
    await refused(harness, missing, r"/missing\.pem")
    loaded = serialization.load_pem_private_key(Path(one.key_file).read_bytes(), None)
    sealed = loaded.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"pass")
    )
    guarded = ClientCertificate(
        certificate_file=one.certificate_file, key_file=harness.private(sealed.decode()), mount=cert_mount
    )
    await refused(harness, guarded, "do not hold a certificate and its key")
    Path(one.key_file).chmod(0o644)
    await refused(harness, one, "chmod 600")


async def test_a_login_of_another_namespace_is_refused(openbao: OpenBao, tmp_path: Path) -> None:
    harness = NamespaceHarness(openbao, tmp_path, readable=True)
    await works(harness, harness.approle())
    for namespace in ("", "dept", "nowhere"):
        with pytest.raises(StoreRefusedError, match="AppRole login"):
            await VaultStore.open(harness.config(namespace=namespace), state_dir=tmp_path)


async def test_a_wrapped_secret_id_of_a_namespace_is_unwrapped_there(openbao: OpenBao, tmp_path: Path) -> None:
    harness = NamespaceHarness(openbao, tmp_path, readable=True)
    place = f"dept/team/auth/approle/role/{harness.role}/secret-id"
    wrapped = openbao.call("POST", place, {}, wrap_ttl="60s")["wrap_info"]["token"]
    role_id = harness.call("GET", f"auth/approle/role/{harness.role}/role-id")["data"]["role_id"]
    await works(harness, AppRole(role_id=str(role_id), wrapped_secret_id_file=harness.private(str(wrapped))))


@pytest.mark.parametrize("namespace", ["", "dept", "nowhere"])
async def test_a_mount_is_sought_in_its_own_namespace_alone(openbao: OpenBao, tmp_path: Path, namespace: str) -> None:
    harness = NamespaceHarness(openbao, tmp_path, readable=True)
    auth = harness.token_file(openbao.root_token)
    with pytest.raises(StoreRefusedError, match=r"namespace|no engine|does not know"):
        await VaultStore.open(harness.config(auth, namespace=namespace), state_dir=tmp_path)
