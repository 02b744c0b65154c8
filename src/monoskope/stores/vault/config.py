"""The `[engine]` table of a reactor whose engine is Vault or OpenBao; docs/stores/vault.md has its fields.

Here also stand the least rights of the drivers `vault` and `vault-kv1`, in the engine's policy language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from monoskope.protocol.payload import DEFAULT_MAX_PLAINTEXT
from monoskope.stores.shared.checks import HttpConfig, check_field, check_max_plaintext
from monoskope.uri import parse_path

SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path, not a token

_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|https://\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?", re.ASCII)


class AppRole(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="approle"):
    """Log in as an AppRole, with a secret id that is wrapped in a one-use token or lies in a file."""

    role_id: str
    """The role's id: a name, not a secret."""
    wrapped_secret_id_file: str | None = None
    """A file of mode 0600 with a wrapping token; it is used once, and what it gives is kept in the state folder."""
    secret_id_file: str | None = None
    """A file of mode 0600 with the secret id itself."""
    mount: str = "approle"
    """Where the method is enabled, below `auth/`."""

    def __post_init__(self) -> None:
        if (self.wrapped_secret_id_file is None) == (self.secret_id_file is None):
            raise ValueError("give exactly one of `wrapped_secret_id_file` and `secret_id_file`")
        check_field("mount", parse_path, self.mount)


class TokenFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="token"):
    """Use the token that lies in a file, and read the file again when the token has died."""

    token_file: str
    """A file of mode 0600 with the token."""


class Jwt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="jwt"):
    """Log in with a JWT that another program keeps fresh in a file, as SPIFFE agents and CI systems do."""

    role: str
    """The role of the method to log in to."""
    jwt_file: str
    """A file of mode 0600 with the JWT, read at each login."""
    mount: str = "jwt"
    """Where the method is enabled, below `auth/`."""

    def __post_init__(self) -> None:
        check_field("mount", parse_path, self.mount)


class Kubernetes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="kubernetes"):
    """Log in with the token of the pod's service account."""

    role: str
    """The role of the method to log in to."""
    jwt_file: str = SERVICE_ACCOUNT_TOKEN
    """Where the kubelet keeps the token fresh, read at each login; its mode is the kubelet's and not looked at."""
    mount: str = "kubernetes"
    """Where the method is enabled, below `auth/`."""

    def __post_init__(self) -> None:
        check_field("mount", parse_path, self.mount)


class ClientCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="method", tag="cert"):
    """Log in with a TLS client certificate, which every connection then shows."""

    certificate_file: str
    """The certificate and those between it and its authority, PEM, read at each login."""
    key_file: str
    """A file of mode 0600 with the certificate's key, PEM, read at each login."""
    role: str = ""
    """The role of the method to log in to; "" lets the engine find one that the certificate fits."""
    mount: str = "cert"
    """Where the method is enabled, below `auth/`."""

    def __post_init__(self) -> None:
        check_field("mount", parse_path, self.mount)


class VaultConfig(HttpConfig, frozen=True, forbid_unknown_fields=True):
    """Where the engine is, which part of it the store uses, and how to log in."""

    address: str
    """`https://HOST[:PORT]`. Plain http is refused."""
    auth: AppRole | TokenFile | Jwt | Kubernetes | ClientCertificate
    """How to log in: a table whose `method` names one of the ways below."""
    ca_file: str | None = None
    """The certificates to trust, PEM; None for those of the operating system."""
    mount: str = "secret"
    """Where the KV engine is mounted, nested mounts in full."""
    namespace: str = ""
    """The namespace of the login and of the mount, `a/b` for one inside another, "" for the root."""
    prefix: str = ""
    """The path below the mount under which all secrets of this store lie, "" for the mount's root."""
    readable: bool = False
    """Whether the policy grants `read` on data. Without it the store is write-only."""
    patchable: bool = False
    """Whether the policy grants `patch` on data, by which some keys change without the others being read."""
    deletable: bool = False
    """Whether the policy grants deleting. Without it the store deletes nothing."""
    restorable: bool = False
    """Whether the policy grants undeleting. If the store is readable, too, secrets can be rolled back; KV version 2."""
    listable: bool = False
    """Whether the policy grants `list`, by which `monoctl list-upstream` finds what can be imported."""
    binary: bool = False
    """Whether the policy grants flagging a path as holding base64. Without it values must be text; KV version 2."""
    max_plaintext: int = DEFAULT_MAX_PLAINTEXT
    """Largest padded plaintext in bytes; see docs/stores/vault.md, Limits."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if _ADDRESS.fullmatch(self.address) is None:
            raise ValueError("`address` must be https://HOST or https://HOST:PORT, without a path")
        check_field("mount", parse_path, self.mount)
        for field in ("prefix", "namespace"):
            if getattr(self, field):
                check_field(field, parse_path, getattr(self, field))
        check_max_plaintext(self.max_plaintext)


_EVERYTHING: tuple[tuple[str, ...], ...] = ((),)


def policy_of(config: VaultConfig, prefixes: Sequence[tuple[str, ...]] = _EVERYTHING) -> str:
    """Return the narrowest policy for KV version 2 under `config`, for a reactor that serves `prefixes`.

    Patching, undeleting and destroying read nothing. Besides it the token needs the engine's `default` policy, by which
    it looks up and renews itself.
    """
    data = ["create", "update", *(["read"] if config.readable else []), *(["patch"] if config.patchable else [])]
    metadata = ["read", *(["create", "patch"] if config.binary else []), *(["list"] if config.listable else [])]
    granted = {"data": data, "metadata": metadata}
    if config.deletable:
        granted |= {"delete": ["update"], "destroy": ["update"]}
    if config.restorable:
        granted |= {"undelete": ["update"]}
    places = _places(config.prefix, prefixes)
    return _text({f"{config.mount}/{part}/{place}": rights for part, rights in granted.items() for place in places})


def kv1_policy(config: VaultConfig, prefixes: Sequence[tuple[str, ...]] = _EVERYTHING) -> str:
    """Return the narrowest policy for KV version 1 under `config`, for a reactor that serves `prefixes`.

    A store that may not read values may list names instead, or it could not tell whether anything is there.
    """
    read = "read" if config.readable else "list"
    more = ["list"] if config.listable and config.readable else []
    rights = ["create", "update", read, *more, *(["delete"] if config.deletable else [])]
    rules: dict[str, list[str]] = {}
    for place in _places(config.prefix, prefixes):
        # The engine takes a rule for `a` for that of the folder `a/`, too, before it looks at one for `a/*`.
        rules[f"{config.mount}/{place}"] = rights
        if not place.endswith("*") and not config.readable:
            rules[f"{config.mount}/{place}".rpartition("/")[0] + "/"] = ["list"]
    return _text(rules)


def _places(prefix: str, prefixes: Sequence[tuple[str, ...]]) -> list[str]:
    """Return what follows the mount: each prefix itself, where it can be a secret, and all below it."""
    found: list[str] = []
    for path in prefixes:
        place = "/".join((*([prefix] if prefix else []), *path))
        found += [*([place] if path else []), f"{place}/*" if place else "*"]
    return list(dict.fromkeys(found))


def _text(rules: dict[str, list[str]]) -> str:
    rows = {path: ", ".join(f'"{right}"' for right in rights) for path, rights in rules.items()}
    return "\n".join(f'path "{path}" {{\n  capabilities = [{rights}]\n}}\n' for path, rights in rows.items())
