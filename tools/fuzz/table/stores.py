"""What engines answer to the drivers, and what lies in their folders."""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pyrage
from botocore.exceptions import BotoCoreError
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from monoskope.errors import Error
from monoskope.protocol.payload import Payload
from monoskope.stores.age.config import parse_recipient, read_identities
from monoskope.stores.aws.client import AwsAnswer, AwsClient
from monoskope.stores.aws.config import ParameterStoreConfig, SecretsManagerConfig
from monoskope.stores.aws.errors import failure
from monoskope.stores.aws.parameter_store import ParameterStore
from monoskope.stores.aws.secrets_manager import SecretsManagerStore
from monoskope.stores.barbican.auth import BarbicanHttp, BarbicanSession
from monoskope.stores.barbican.config import BarbicanConfig, NoLogin, Password
from monoskope.stores.barbican.secrets import BarbicanStore
from monoskope.stores.driver import DriverError, StoreDriver, StoreRefusedError, UnknownOutcomeError
from monoskope.stores.kubernetes.client import Access, KubernetesHttp
from monoskope.stores.kubernetes.client import access as kubernetes_access
from monoskope.stores.kubernetes.config import InCluster, Kubeconfig, KubernetesConfig
from monoskope.stores.kubernetes.object import check_type
from monoskope.stores.kubernetes.secrets import KubernetesStore
from monoskope.stores.password_store.config import PassLayout
from monoskope.stores.postgresql_account import scram
from monoskope.stores.rabbitmq_account.config import RabbitmqAccountConfig
from monoskope.stores.rabbitmq_account.store import RabbitmqAccountStore
from monoskope.stores.rabbitmq_account.users import Users
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import AppRole, TokenFile, VaultConfig
from monoskope.stores.vault.kv1 import VaultKv1Store
from monoskope.stores.vault.kv2 import VaultStore
from monoskope.stores.vault.logins import STATE_FILE, secret_id
from monoskope.stores.vault.mount import VaultMount
from monoskope.stores.vault.session import VaultHttp, VaultSession, VaultToken
from tools.fuzz.reader import Reader
from tools.fuzz.table.http import run

_STATUSES = (200, 201, 204, 400, 403, 404, 409, 412, 413, 500)
_PATH = ("team-a", "db")
_TAG = "0" * 64
_PAYLOAD = Payload({"password": b"correct horse"})


def _answer(content: bytes) -> HttpAnswer:
    """Return the answer that an input is: a byte for the status, then the body."""
    status = _STATUSES[content[0] % len(_STATUSES)] if content else 200
    return HttpAnswer(status, content[1:], {"x-subject-token": "token"})


def _seeds(*bodies: object) -> Callable[[], Iterable[bytes]]:
    return lambda: [bytes([at]) + json.dumps(body).encode() for body in bodies for at in (0, 5)]


@cache
def _tls() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _folder() -> Path:
    """Return a folder that ends with this process, with a credential in it."""
    made = tempfile.TemporaryDirectory(prefix="fuzz-")
    _kept.append(made)
    credential = Path(made.name) / "credential"
    credential.touch(mode=0o600)
    credential.write_text("credential")
    return Path(made.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []


async def _all_of(store: StoreDriver) -> None:
    """Ask a driver everything; each question ends in an error of the driver's or an answer."""
    questions: list[Callable[[], Awaitable[object]]] = [
        lambda: store.read_version(_PATH),
        lambda: store.read_either(_PATH),
        lambda: store.read(_PATH),
        lambda: store.deleted_version(_PATH),
        lambda: store.read_at(_PATH, "1@2026-01-31T18:00:00Z"),
        lambda: store.find(_PATH, _TAG),
        lambda: store.list_names(_PATH),
        store.health,
        lambda: store.write(_PATH, _PAYLOAD, replacing=None, write_tag=_TAG),
        lambda: store.patch(_PATH, _PAYLOAD, ("old",), replacing=None, write_tag=_TAG),
        lambda: store.delete(_PATH, replacing=None, destroy=True),
    ]
    for question in questions:
        try:
            await question()
        except (DriverError, NotImplementedError):
            continue


def _answering(http: Any, content: bytes) -> None:  # noqa: ANN401 - of any engine
    async def exchange(*_arguments: object, **_settings: object) -> HttpAnswer:
        return _answer(content)

    http.exchange = exchange


@cache
def _vault(kind: type[VaultMount]) -> VaultMount:
    config = VaultConfig(
        address="https://127.0.0.1:8200",
        auth=TokenFile(token_file="token"),
        readable=True,
        patchable=True,
        deletable=True,
        restorable=True,
        listable=True,
        binary=kind is VaultStore,
    )
    http = VaultHttp(config)
    session = VaultSession(http, config.auth, _folder())
    session._token = VaultToken("token", 3_600, 3_600, renewable=False)  # noqa: SLF001 - without a login
    return kind(config, http, session)


def _of_vault(kind: type[VaultMount]) -> Callable[[bytes], None]:
    def read(content: bytes) -> None:
        store = _vault(kind)
        _answering(store._http, content)  # noqa: SLF001 - what an engine says
        run(_all_of(store))

    return read


def _unwrapped(content: bytes) -> str:
    config = VaultConfig(address="https://127.0.0.1:8200", auth=TokenFile(token_file="token"))
    http = VaultHttp(config)
    _answering(http, content)
    (_folder() / STATE_FILE).unlink(missing_ok=True)
    role = AppRole(role_id="role", wrapped_secret_id_file=str(_folder() / "credential"))
    return run(secret_id(http, role, _folder()))


def _kept_secret_id(content: bytes) -> str:
    config = VaultConfig(address="https://127.0.0.1:8200", auth=TokenFile(token_file="token"))
    state = _folder() / STATE_FILE
    state.touch(mode=0o600)
    state.write_bytes(content)
    role = AppRole(role_id="role", wrapped_secret_id_file=str(_folder() / "gone"))
    return run(secret_id(VaultHttp(config), role, _folder()))


@cache
def _kubernetes() -> KubernetesStore:
    config = KubernetesConfig(auth=InCluster(), readable=True, deletable=True)
    return KubernetesStore(config, KubernetesHttp(config, Access("https://127.0.0.1:6443", _tls(), "token")))


def _of_kubernetes(content: bytes) -> None:
    _answering(_kubernetes()._http, content)  # noqa: SLF001 - what a cluster says
    run(_all_of(_kubernetes()))


def _kubeconfig(content: bytes) -> Access:
    file = _folder() / "kubeconfig"
    file.touch(mode=0o600)
    file.write_bytes(content)
    return kubernetes_access(Kubeconfig(file=str(file)), _folder())


@cache
def _barbican(layout: Any) -> BarbicanStore:  # noqa: ANN401 - of a Literal
    config = BarbicanConfig(
        address="https://127.0.0.1:9311", auth=NoLogin(project_id="p"), readable=True, layout=layout, keep_versions=1
    )
    return BarbicanStore(config, BarbicanHttp(config))


def _of_barbican(content: bytes) -> None:
    for layout in ("json", "raw"):
        _answering(_barbican(layout)._http, content)  # noqa: SLF001 - what Barbican says
        run(_all_of(_barbican(layout)))


def _of_keystone(content: bytes) -> object:
    file = str(_folder() / "credential")
    auth = Password("https://127.0.0.1:5000/v3", "anna", file, "p")
    config = BarbicanConfig(address="https://127.0.0.1:9311", auth=auth)
    http = BarbicanHttp(config)
    _answering(http, content)
    return run(BarbicanSession(http, config).request("GET", "secrets"))


def _of_rabbitmq(content: bytes) -> None:
    credential = str(_folder() / "credential")
    config = RabbitmqAccountConfig(address="https://127.0.0.1:15671", user="m8", password_file=credential)
    users = Users(config)
    _answering(users, content)
    store, path, password = RabbitmqAccountStore(config, users), ("orders_a",), Payload({"password": b"x" * 20})

    async def all_of() -> None:
        questions: list[Callable[[], Awaitable[object]]] = [
            store.health,
            lambda: store.matches(path, password),
            lambda: store.write(path, password, replacing=None, write_tag=_TAG),
        ]
        for question in questions:
            with suppress(DriverError):
                await question()

    run(all_of())


class _Aws(AwsClient):
    """A client whose service answers with an input, as the SDK parses it."""

    def __init__(self, service: str, content: bytes) -> None:
        self._model = _model(service)
        self._content = content

    async def call(
        self,
        operation: str,
        *,
        expected: Iterable[str] = (),
        writes: bool = False,
        **parameters: Any,  # noqa: ANN401 - as the operation has them
    ) -> AwsAnswer:
        """Answer."""
        del parameters
        answer = _answer(self._content)
        name = "".join(word.capitalize() for word in operation.split("_"))
        shape = self._model.operation_model(name).output_shape
        given = {"status_code": answer.status, "headers": {}, "body": answer.raw}
        try:
            parsed = create_parser("json").parse(given, shape)
        except (BotoCoreError, ValueError, RecursionError, TypeError, AttributeError, KeyError):
            # The SDK's own business: `AwsClient` waits for what it raises, and the reactor's guard for the rest.
            raise UnknownOutcomeError("AWS answers with nonsense.") from None
        if answer.status >= 300:
            code = str(parsed.get("Error", {}).get("Code") or answer.status)
            if code not in expected:
                raise failure(code, answer.status, writes=writes)
            return AwsAnswer(code, answer.status)
        return AwsAnswer(body=parsed)


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(create_loader().load_service_model(service, "service-2"))


def _of_secrets_manager(content: bytes) -> None:
    config = SecretsManagerConfig(
        region="eu-central-1", readable=True, deletable=True, restorable=True, binary="base64"
    )
    run(_all_of(SecretsManagerStore(config, _Aws("secretsmanager", content))))


def _of_parameter_store(content: bytes) -> None:
    config = ParameterStoreConfig(region="eu-central-1", readable=True, deletable=True, binary="base64")
    run(_all_of(ParameterStore(config, _Aws("ssm", content))))


def _identities(content: bytes) -> object:
    file = _folder() / "identities"
    file.touch(mode=0o600)
    file.write_bytes(content)
    return read_identities(str(file), [_age().to_public()])


@cache
def _age() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


def _age_seeds() -> list[bytes]:
    return [f"# mine\n{_age()}\n".encode()]


def _recipient_seeds() -> list[bytes]:
    return [str(_age().to_public()).encode()]


_OF_KV2 = {
    "data": {
        "data": {"password": "x"},
        "metadata": {"version": 1, "created_time": "2026-01-31T18:00:00Z", "deletion_time": "", "destroyed": False},
        "current_version": 1,
        "versions": {"1": {"created_time": "2026-01-31T18:00:00Z", "deletion_time": "", "destroyed": False}},
        "custom_metadata": {"monoskope-base64": "true"},
        "keys": ["a", "b/"],
    }
}
_OF_KUBERNETES = {
    "metadata": {
        "name": "db",
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {"monoskope.io/write-tag": f"{_TAG}/1", "monoskope.io/write-before": "x/u:6"},
        "managedFields": [{"manager": "monoskope", "fieldsV1": {"f:data": {".": {}, "f:password": {}}}}],
    },
    "type": "Opaque",
    "data": {"password": "eA=="},
}
_OF_BARBICAN = {
    "secrets": [
        {
            "created": "2026-01-31T18:00:00",
            "secret_ref": "https://b/v1/secrets/00000000-0000-0000-0000-000000000000",
            "name": "team-a/db",
            "mode": f"m8.1.{_TAG}",
            "content_types": {"default": "text/plain"},
        }
    ],
    "total": 1,
    "secret_ref": "https://b/v1/secrets/00000000-0000-0000-0000-000000000000",
}
_OF_RABBITMQ = {
    "name": "orders_a",
    "tags": ["monitoring"],
    "password_hash": "AAAAAC6Ar9vq3vTOIQjjPQ6BJNW6WHFwmM4WZNVjfaCd7zRL",
    "hashing_algorithm": "rabbit_password_hashing_sha256",
}
_OF_AWS = {
    "ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:team-a/db-AbCdEf",
    "Name": "team-a/db",
    "VersionId": "0" * 64,
    "VersionIdsToStages": {"0" * 64: ["AWSCURRENT"]},
    "VersionStages": ["AWSCURRENT"],
    "SecretString": '{"password":"x"}',
    "Tags": [{"Key": "monoskope:binary", "Value": "base64"}],
    "Parameter": {"Value": '{"password":"x"}', "Version": 1, "LastModifiedDate": 1.7e9, "Name": "/team-a/db"},
    "Parameters": [{"Description": "monoskope", "Version": 1, "LastModifiedDate": 1.7e9}],
    "Version": 1,
}
_TOKEN = {"token": {"issued_at": "2026-01-31T18:00:00.000000Z", "expires_at": "2026-01-31T19:00:00.000000Z"}}
_KUBECONFIG = b"""\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: k, user: u}}]
clusters: [{name: k, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: u, user: {token: t}}]
"""

READERS = (
    Reader(
        "vault",
        "OpenBao, Vault, or what stands at their address",
        ("stores/shared/http.py", "stores/vault/kv2.py", "stores/vault/versions.py", "stores/vault/versions.py"),
        _of_vault(VaultStore),
        errors=(),
        seeds=_seeds(_OF_KV2, {"errors": ["sealed"]}, {}),
    ),
    Reader(
        "vault-kv1",
        "as vault",
        ("stores/shared/http.py", "stores/vault/kv1.py"),
        _of_vault(VaultKv1Store),
        errors=(),
        seeds=_seeds({"data": {"password": "x", "keys": ["db"]}}),
    ),
    Reader(
        "vault-wrapped-secret-id",
        "as vault",
        ("stores/vault/logins.py",),
        _unwrapped,
        errors=(DriverError,),
        seeds=_seeds({"data": {"creation_path": "auth/approle/role/r/secret-id", "secret_id": "s"}}),
    ),
    Reader(
        "vault-kept-secret-id",
        "a reactor's folder",
        ("stores/vault/logins.py",),
        _kept_secret_id,
        errors=(DriverError,),
        seeds=lambda: [b'{"wrapping_token_sha256":"00","secret_id":"s"}'],
    ),
    Reader(
        "kubernetes",
        "an API server, or what stands at its address",
        ("stores/shared/http.py", "stores/kubernetes/secrets.py", "stores/kubernetes/object.py"),
        _of_kubernetes,
        errors=(),
        seeds=_seeds(_OF_KUBERNETES),
    ),
    Reader(
        "kubeconfig",
        "a reactor's operator",
        ("stores/kubernetes/client.py",),
        _kubeconfig,
        errors=(DriverError,),
        seeds=lambda: [_KUBECONFIG],
    ),
    Reader(
        "docker-config",
        "clients, sealed",
        ("stores/kubernetes/object.py",),
        lambda content: check_type("kubernetes.io/dockerconfigjson", Payload({".dockerconfigjson": content}), None),
        errors=(StoreRefusedError,),
        seeds=lambda: [b'{"auths":{}}'],
    ),
    Reader(
        "barbican",
        "Barbican, or what stands at its address",
        ("stores/barbican/secrets.py", "stores/barbican/values.py", "stores/barbican/values.py"),
        _of_barbican,
        errors=(),
        seeds=_seeds(_OF_BARBICAN),
    ),
    Reader(
        "keystone",
        "Keystone, or what stands at its address",
        ("stores/barbican/auth.py",),
        _of_keystone,
        errors=(DriverError,),
        seeds=lambda: [b"\x01" + json.dumps(_TOKEN).encode()],
    ),
    Reader(
        "aws-secretsmanager",
        "AWS, or what stands at its address",
        ("stores/aws/secrets_manager.py", "stores/aws/versions.py", "stores/aws/layout.py"),
        _of_secrets_manager,
        errors=(),
        seeds=_seeds(_OF_AWS, {"__type": "ResourceNotFoundException"}),
    ),
    Reader(
        "aws-ssm",
        "AWS, or what stands at its address",
        ("stores/aws/parameter_store.py", "stores/aws/layout.py"),
        _of_parameter_store,
        errors=(),
        seeds=_seeds(_OF_AWS, {"__type": "ParameterNotFound"}),
    ),
    Reader(
        "pass-file",
        "who else writes into the password store",
        ("stores/password_store/config.py",),
        lambda content: PassLayout("pass", "password").payload(content),
        errors=(DriverError,),
        again=lambda payload: PassLayout("pass", "password").content(payload),
        seeds=lambda: [b"first\nuser: anna\n", b"\nkey: value\n"],
    ),
    Reader(
        "role-state",
        "a PostgreSQL server, or who sets verifiers there",
        ("stores/postgresql_account/scram.py",),
        lambda content: scram.parts_of(content.decode("utf-8", "replace")),
        errors=(),
        seeds=lambda: [b"scram@4096:W22ZaJ0SNY7soEsUEjb6gQ==,nologin,until=1577836800.000000", b"other@742"],
    ),
    Reader(
        "rabbitmq-user",
        "RabbitMQ's management API, or what stands at its address",
        ("stores/rabbitmq_account/users.py",),
        _of_rabbitmq,
        errors=(),
        seeds=_seeds(_OF_RABBITMQ, {"error": "Object Not Found"}),
    ),
    Reader(
        "age-recipient",
        "a reactor's operator",
        ("stores/age/config.py",),
        lambda content: str(parse_recipient(content.decode("utf-8", "replace"))),
        errors=(Error, ValueError),
        seeds=_recipient_seeds,
    ),
    Reader(
        "age-identities",
        "a reactor's operator",
        ("stores/age/config.py",),
        _identities,
        errors=(Error,),
        seeds=_age_seeds,
    ),
)
