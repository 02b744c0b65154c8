"""What each login method sends to the engine. Credentials are read from their files at each login and not kept."""

from __future__ import annotations

import re
from pathlib import Path

from monoskope.settings import read_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.credentials import refused
from monoskope.stores.shared.http import HttpAnswer
from monoskope.stores.vault.config import AppRole, ClientCertificate, Jwt, Kubernetes
from monoskope.stores.vault.http import VaultHttp
from monoskope.stores.vault.secret_id import secret_id

Method = AppRole | Jwt | Kubernetes | ClientCertificate

_JWT = re.compile(r"[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,16384}\.[A-Za-z0-9_-]{1,8192}", re.ASCII)


async def log_in(http: VaultHttp, method: Method, state_dir: Path) -> HttpAnswer:
    """Log in and return the engine's answer, which holds the token.

    Raises:
        StoreRefusedError: a credential cannot be read, or the engine refuses it; the message says which.
        StoreUnavailableError: the engine does not answer.
    """
    body = await _body(http, method, state_dir)
    answer = await http.send("POST", f"auth/{method.mount}/login", body=body)
    if not answer.ok:
        raise _refused(method)
    return answer


async def _body(http: VaultHttp, method: Method, state_dir: Path) -> dict[str, str]:
    match method:
        case AppRole():
            return {"role_id": method.role_id, "secret_id": await secret_id(http, method, state_dir)}
        case Jwt():
            return {"role": method.role, "jwt": _jwt(_private(method.jwt_file), method.jwt_file)}
        case Kubernetes():
            return {"role": method.role, "jwt": _jwt(_any(method.jwt_file), method.jwt_file)}
        case ClientCertificate():
            _show_certificate(http, method, state_dir)
            return {"name": method.role} if method.role else {}


def _refused(method: Method) -> StoreRefusedError:
    match method:
        case AppRole():
            return StoreRefusedError(
                "the engine refused the AppRole login.",
                fix="Check role_id, that the method is enabled there, and that the secret id has not expired.",
            )
        case Jwt():
            return StoreRefusedError(
                "the engine refused the JWT login.",
                fix="Check role, that the method is enabled there, and the JWT's issuer, audience, subject and expiry.",
            )
        case Kubernetes():
            return StoreRefusedError(
                "the engine refused the Kubernetes login.",
                fix="Check role, which service account it is bound to, and that the engine can have tokens reviewed.",
            )
        case ClientCertificate():
            return StoreRefusedError(
                "the engine refused the certificate login.",
                fix="Check role, that the certificate has not expired, and which authority the method trusts.",
            )


def _show_certificate(http: VaultHttp, method: ClientCertificate, state_dir: Path) -> None:
    key = _private(method.key_file)
    try:
        http.show_certificate(key, Path(method.certificate_file).read_bytes(), state_dir)
    except (OSError, ValueError):
        raise StoreRefusedError(
            f"{method.certificate_file} and {method.key_file} do not hold a certificate and its key.",
            fix="Write both as PEM, the key without a passphrase.",
        ) from None


def _private(file: str) -> bytes:
    with refused():
        return read_private(Path(file))


def _any(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise StoreRefusedError(
            f"{file} cannot be read: {error.strerror}.", fix="Mount the service account's token there."
        ) from None


def _jwt(content: bytes, file: str) -> str:
    text = content.decode("ascii", "replace").strip()
    if _JWT.fullmatch(text) is None:
        raise StoreRefusedError(f"{file} does not hold a JWT.", fix="Write a signed JWT to it, on one line.")
    return text
