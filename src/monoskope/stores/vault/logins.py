"""What each login method sends to the engine. Credentials are read from their files at each login and not kept.

An AppRole's secret id comes from a file, or from a wrapping token that can be unwrapped exactly once. A wrapping token
that was used before, or that was made for something else, is a sign of a stolen secret id; the errors say so. The
unwrapped secret id is kept in the reactor's state folder, mode 0600, with the token's digest: the next login needs it,
and a new wrapping token in the same file replaces it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from monoskope.settings import find_private, read_private, write_private
from monoskope.stores.driver import StoreRefusedError
from monoskope.stores.shared.http import HttpAnswer, Refusal
from monoskope.stores.shared.trust import refused
from monoskope.stores.vault.config import AppRole, ClientCertificate, Jwt, Kubernetes
from monoskope.value import Unshared

if TYPE_CHECKING:
    from monoskope.stores.vault.session import VaultHttp

STATE_FILE = "vault-secret-id.json"

_SECRET_ID = re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII)


class _Kept(Unshared, msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the state file."""

    wrapping_token_sha256: str
    secret_id: str

    def __repr__(self) -> str:
        return "<_Kept>"


def read_credential(path: str) -> str:
    """Return the one line of a file of mode 0600.

    Raises:
        StoreRefusedError: it is missing, open to others or not one line of printable text.
    """
    found = _read(Path(path))
    if found is None:
        raise StoreRefusedError(f"{path} does not exist.", fix="Write the credential there, or name another file.")
    return _one_line(found, path)


def _read(file: Path) -> bytes | None:
    with refused():
        return find_private(file)


def _one_line(content: bytes, path: str) -> str:
    text = content.decode("ascii", "replace").strip()
    if _SECRET_ID.fullmatch(text) is None:
        raise StoreRefusedError(f"{path} does not hold one line of printable ASCII.", fix="Write it again.")
    return text


async def secret_id(http: VaultHttp, role: AppRole, state_dir: Path) -> str:
    """Return the secret id to log in with, unwrapping it if its wrapping token is new.

    Raises:
        StoreRefusedError: a file cannot be used, or the wrapping token gives no secret id of this login method.
        StoreUnavailableError: the engine does not answer.
    """
    if role.secret_id_file is not None:
        return read_credential(role.secret_id_file)
    state = state_dir / STATE_FILE
    kept = _kept(state)
    token = _wrapping_token(Path(str(role.wrapped_secret_id_file)), needed=kept is None)
    digest = hashlib.sha256(token.encode("ascii")).hexdigest()
    if kept is not None and (not token or kept.wrapping_token_sha256 == digest):
        return kept.secret_id
    found = await _unwrap(http, token, role.mount)
    content = msgspec.json.encode(_Kept(wrapping_token_sha256=digest, secret_id=found))
    with refused():
        write_private(state, content, replace=True)
    return found


def _wrapping_token(file: Path, *, needed: bool) -> str:
    """Return the wrapping token, "" if its file was removed after use."""
    if needed:
        return read_credential(str(file))
    found = _read(file)
    return "" if found is None else _one_line(found, str(file))


def _kept(state: Path) -> _Kept | None:
    found = _read(state)
    try:
        return None if found is None else msgspec.json.decode(found, type=_Kept)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise StoreRefusedError(
            f"{state} is damaged.", fix="Restore it from your copy, or move it aside and give a new wrapping token."
        ) from None


async def _unwrap(http: VaultHttp, token: str, mount: str) -> str:
    """Check what `token` was made for, unwrap it, and return the secret id."""
    looked = await http.send("POST", "sys/wrapping/lookup", body={"token": token})
    if not looked.ok:
        raise StoreRefusedError(
            "the wrapping token was used before, has expired, or was changed.",
            fix="If it was not used here, a thief has the secret id: destroy it. Then make a new wrapping token.",
        )
    made_for = str(looked.section("data").get("creation_path", ""))
    if re.fullmatch(rf"auth/{re.escape(mount)}/role/[^/]+/secret-id", made_for) is None:
        raise StoreRefusedError(
            "the wrapping token was not made by this AppRole method for a secret id: it may have been swapped.",
            fix="Find out who put it there, then make a new wrapping token.",
        )
    answer = await http.send("POST", "sys/wrapping/unwrap", token=token)
    found = answer.section("data").get("secret_id")
    if not answer.ok or not isinstance(found, str):
        raise StoreRefusedError("the wrapping token gave no secret id.", fix="Make a new wrapping token.")
    return found


Method = AppRole | Jwt | Kubernetes | ClientCertificate

_JWT = re.compile(r"[A-Za-z0-9_-]{1,8192}\.[A-Za-z0-9_-]{1,16384}\.[A-Za-z0-9_-]{1,8192}", re.ASCII)


_REFUSED = {
    AppRole: Refusal(
        "the engine refused the AppRole login.",
        "Check role_id, that the method is enabled there, and that the secret id has not expired.",
    ),
    Jwt: Refusal(
        "the engine refused the JWT login.",
        "Check role, that the method is enabled there, and the JWT's issuer, audience, subject and expiry.",
    ),
    Kubernetes: Refusal(
        "the engine refused the Kubernetes login.",
        "Check role, which service account it is bound to, and that the engine can have tokens reviewed.",
    ),
    ClientCertificate: Refusal(
        "the engine refused the certificate login.",
        "Check role, that the certificate has not expired, and which authority the method trusts.",
    ),
}


async def log_in(http: VaultHttp, method: Method, state_dir: Path) -> HttpAnswer:
    """Log in and return the engine's answer, which holds the token.

    Raises:
        StoreRefusedError: a credential cannot be read, or the engine refuses it; the message says which.
        StoreUnavailableError: the engine does not answer.
    """
    body = await _body(http, method, state_dir)
    answer = await http.send("POST", f"auth/{method.mount}/login", body=body)
    if not answer.ok:
        raise _REFUSED[type(method)].error()
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
            http.show_certificate(method.certificate_file, method.key_file, state_dir)
            return {"name": method.role} if method.role else {}


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
