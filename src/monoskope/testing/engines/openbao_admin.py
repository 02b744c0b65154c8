"""An OpenBao server set up by its administrator, for tests and demonstrations: engines, logins, and an SSH CA."""

from __future__ import annotations

import json
import ssl
import time
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from monoskope.errors import Error

_READY_S = 10.0
_POLL_S = 0.02
_ANSWER_S = 10.0
_FAILED = 300


class OpenBaoError(Error):
    """OpenBao refused an administrative request, or did not answer it."""


class Admin:
    """An administrator's view of one server.

    Args:
        address: `https://HOST:PORT`.
        ca_file: The certificate that the server's certificate is signed by.
        root_token: A token that may do everything.
    """

    def __init__(self, *, address: str, ca_file: Path, root_token: str) -> None:
        self.address = address
        self.ca_file = ca_file
        self.root_token = root_token
        server = urlsplit(address)
        context = ssl.create_default_context(cafile=ca_file)
        self._connection = HTTPSConnection(server.hostname or "", server.port, timeout=_ANSWER_S, context=context)
        self._lock = Lock()

    def hang_up(self) -> None:
        """Close the connection, which is kept for the next request. The next one opens another."""
        with self._lock:
            self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: object | None = None,
        *,
        token: str | None = None,
        wrap_ttl: str | None = None,
    ) -> dict[str, Any]:
        """Send one API request below `/v1/` and return the JSON that answers, `{}` for an empty answer.

        Args:
            method: GET, POST, PATCH, DELETE or LIST.
            path: What follows `/v1/`.
            body: Sent as JSON.
            token: As in `bao`.
            wrap_ttl: Have the answer wrapped in a one-use token that lives so long, e.g. "60s".

        Raises:
            OpenBaoError: it answered with an error, or not at all; its status is in the message.
        """
        headers = {"X-Vault-Token": self.root_token if token is None else token}
        if wrap_ttl is not None:
            headers["X-Vault-Wrap-TTL"] = wrap_ttl
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        data = None if body is None else json.dumps(body).encode()
        status, text = self._send(method, path, data, headers)
        if status >= _FAILED:
            raise OpenBaoError(f"OpenBao answered {method} {path} with {status}.")
        result: dict[str, Any] = json.loads(text) if text else {}
        return result

    def _send(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Send a request, once more on a new connection if the one that was kept was closed by the other end."""
        with self._lock:
            was_kept = self._connection.sock is not None
            while True:
                try:
                    self._connection.request(method, f"/v1/{path}", data, headers)
                    with self._connection.getresponse() as answer:
                        return answer.status, answer.read()
                except (OSError, HTTPException) as error:
                    self._connection.close()
                    if not was_kept or isinstance(error, TimeoutError):
                        name = type(error).__name__
                        raise OpenBaoError(f"OpenBao did not answer {method} {path}: {name}.") from None
                    was_kept = False

    # --- setting it up ---

    def enable_kv(self, mount: str = "secret") -> None:
        """Enable a KV version 2 engine at `mount`; return when it serves.

        Raises:
            OpenBaoError: something is mounted there, or it does not serve within 10 s.
        """
        self.call("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                # A new engine refuses everything until it has laid itself out.
                self.call("GET", f"{mount}/config")
            except OpenBaoError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_S)
            else:
                return

    def write_policy(self, name: str, text: str) -> None:
        """Write the policy `name`, in OpenBao's policy language."""
        self.call("POST", f"sys/policies/acl/{name}", {"policy": text})

    def enable_approle(self) -> None:
        """Enable the AppRole login method at `auth/approle`."""
        self.call("POST", "sys/auth/approle", {"type": "approle"})

    def create_role(self, name: str, policies: list[str], *, token_ttl: str = "1h", token_max_ttl: str = "24h") -> None:
        """Create or change the AppRole `name`, whose logins get tokens with `policies` for `token_ttl`.

        Its secret ids have no use limit, so that a reactor can log in again after a restart.
        """
        self.call(
            "POST",
            f"auth/approle/role/{name}",
            {"token_policies": policies, "token_ttl": token_ttl, "token_max_ttl": token_max_ttl},
        )

    def role_id(self, name: str) -> str:
        """Return the role id of the AppRole `name`: a name, not a secret."""
        return str(self.call("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"])

    def secret_id(self, name: str) -> str:
        """Make and return a new secret id of the AppRole `name`."""
        return str(self.call("POST", f"auth/approle/role/{name}/secret-id", {})["data"]["secret_id"])

    def wrapped_secret_id(self, name: str) -> str:
        """Make a secret id of the AppRole `name`; return a wrapping token: it gives it out once, within 10 minutes."""
        answer = self.call("POST", f"auth/approle/role/{name}/secret-id", {}, wrap_ttl="10m")
        return str(answer["wrap_info"]["token"])

    def token(self, policies: list[str], *, ttl: str = "1h", renewable: bool = True) -> str:
        """Make and return a token with `policies` and no parent."""
        body = {"policies": policies, "ttl": ttl, "renewable": renewable, "no_parent": True, "no_default_policy": False}
        return str(self.call("POST", "auth/token/create", body)["auth"]["client_token"])


HOURS = 8
"""How long a certificate is valid: a working day."""


class SshCa:
    """An SSH engine with an Ed25519 key of its own.

    Args:
        bao: A server that runs.
    """

    mount = "ssh"
    """Where the engine is, or will be."""

    def __init__(self, bao: Admin) -> None:
        self._bao = bao

    def create(self) -> None:
        """Mount the engine and let it make its key. Raises `OpenBaoError` if something is mounted there."""
        self._bao.call("POST", f"sys/mounts/{self.mount}", {"type": "ssh"})
        self._bao.call("POST", f"{self.mount}/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})

    @property
    def public_key(self) -> str:
        """The authority's public key, as OpenSSH writes it: what an allowed_signers file names."""
        return str(self._bao.call("GET", f"{self.mount}/config/ca")["data"]["public_key"]).strip()

    def allow(self, role: str, principals: str) -> None:
        """Let the holders of `role` have certificates for one of `principals`.

        Args:
            role: Its name.
            principals: One name, or several with commas. A template such as
                `{{identity.entity.aliases.ACCESSOR.metadata.email}}` stands for the name that came from the login.
        """
        self._bao.call(
            "POST",
            f"{self.mount}/roles/{role}",
            {
                "key_type": "ca",
                "allow_user_certificates": True,
                "allowed_users": principals,
                "allowed_users_template": True,
                "default_user": principals.partition(",")[0],
                "default_user_template": True,
                "ttl": f"{HOURS}h",
                "max_ttl": f"{HOURS}h",
            },
        )

    def sign(self, role: str, public_key: Path, principal: str = "") -> Path:
        """Have a public key signed; write the certificate beside it as OpenSSH expects, and return its file.

        Args:
            role: One that `allow` made.
            public_key: A file `NAME.pub`; the certificate will be `NAME-cert.pub`.
            principal: For whom, "" for the role's first one.

        Raises:
            OpenBaoError: the role does not allow that.
        """
        body = {"public_key": public_key.read_text(encoding="ascii")}
        if principal:
            body["valid_principals"] = principal
        signed = self._bao.call("POST", f"{self.mount}/sign/{role}", body)["data"]["signed_key"]
        certificate = public_key.with_name(f"{public_key.name.removesuffix('.pub')}-cert.pub")
        certificate.write_text(signed, encoding="ascii")
        return certificate
