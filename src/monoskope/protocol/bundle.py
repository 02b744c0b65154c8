"""The bundle: what a newcomer must know of one m8 and of its stores before they trust either (docs/join.md, ADR 72).

It is a JSON document in one form alone: whoever parses it and writes it again has the same bytes. It holds no token and
no signature. People compare its fingerprint, the SHA-256 of all its bytes, by another way than the one it came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from monoskope.errors import UsageError
from monoskope.host_port import HttpsUrl, check_servers
from monoskope.protocol.identity import check_shown, shown_digest
from monoskope.protocol.tlog.checkpoint import VerifierKey
from monoskope.protocol.tlog.forms import base64_text, read_base64
from monoskope.protocol.tlog.note import LogKeys, Policy
from monoskope.text import is_shown
from monoskope.uri import check_store_name
from monoskope.value import Value

MAX_BYTES = 65_536
"""Bytes of a bundle at most: some 800 stores."""
WELL_KNOWN = "/.well-known/monoskope"
"""Where m8 serves the bundle that its administrator published (RFC 8615)."""
MAX_TEXT = 1_024
"""Characters of a text in it at most."""
MAX_CONTACT = 200


class NoBundleError(UsageError):
    """What was read is no bundle in its one form. Names the field and the rule."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"this is no bundle of Monoskope: {why}.", fix="Get the file again from its maker, byte for byte."
        )


class Login(Value, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where people log in, as the settings `login_…` have it."""

    issuer: str
    client_id: str
    audience: str = ""
    scopes: str = ""
    hosts: str = ""
    ca: tuple[str, ...] = ()
    """The authorities that sign the issuer's certificate, DER in base64; none for the system's."""


class Log(Value, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The log of m8, and what is demanded of it."""

    vkeys: tuple[str, str]
    """Its verifier keys: Ed25519, then ML-DSA-44."""
    witnesses: tuple[str, ...] = ()
    quorum: int = 0
    """How many of the witnesses must have cosigned what m8 shows of its log."""


class Bundle(
    Value,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="format",
    tag="monoskope-bundle/1",
):
    """What one bundle says; holding one means that it is valid.

    Raises:
        UsageError: a field breaks its rule; names it.
    """

    servers: tuple[str, ...]
    """The servers of one m8, `host:port`, in the order in which they are tried."""
    contact: str
    """Whom to ask, for a person: a name and how to reach them."""
    ca: tuple[str, ...] = ()
    """The authorities that sign the servers' certificates, DER in base64; none for the system's."""
    login: Login
    log: Log
    default_store: str = ""
    stores: dict[str, str]
    """Store to identity, `SHA256:…`; none in the bundle of `m8 init`, with which the first administrator joins."""

    def __post_init__(self) -> None:
        """Check each field. What has several spellings elsewhere has one here."""
        if check_servers(",".join(self.servers)) != self.servers:
            raise NoBundleError("`servers` must be host:port, in lower case")
        _check_text("contact", self.contact, MAX_CONTACT)
        _check_login(self.login)
        _check_log(self.log)
        for name, identity in self.stores.items():
            check_store_name(name)
            check_shown(identity)
        if len(set(self.stores.values())) != len(self.stores):
            raise NoBundleError("`stores` must name stores, each with an identity of its own")
        if self.default_store and self.default_store not in self.stores:
            raise NoBundleError("`default_store` must be one of `stores`")
        for field, certificates in (("ca", self.ca), ("login.ca", self.login.ca)):
            _check_certificates(field, certificates)

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Return the bundle in `content`. Raises `NoBundleError` for whatever is not one in its one form."""
        if len(content) > MAX_BYTES:
            raise NoBundleError(f"it has more than {MAX_BYTES:,} bytes")
        try:
            found = msgspec.json.decode(content, type=cls)
            if bytes(found) == content:
                return found
        except NoBundleError:
            raise
        except UsageError as error:
            raise NoBundleError(error.message.rstrip(".")) from None
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise NoBundleError(_rule(error)) from None
        raise NoBundleError("it is not in its one form: a byte was changed, or a field stands elsewhere")

    def __bytes__(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self, order="deterministic"), indent=2) + b"\n"

    @property
    def fingerprint(self) -> str:
        """`SHA256:` and 43 characters, over all bytes."""
        return shown_digest(hashlib.sha256(bytes(self)).digest())


def certificates_in(pem: str) -> tuple[str, ...]:
    """Return the certificates in PEM text, as a bundle has them. Raises `UsageError` if there is none."""
    from cryptography import x509  # noqa: PLC0415 - few read or make a bundle
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    try:
        found = x509.load_pem_x509_certificates(pem.encode("ascii", "replace"))
    except ValueError:
        raise UsageError("the file of an authority holds no PEM certificate.", fix="Copy it again.") from None
    return tuple(dict.fromkeys(base64_text(one.public_bytes(Encoding.DER)) for one in found))


def pem_of(certificates: Iterable[str]) -> str:
    """Return certificates of a bundle as PEM text."""
    import ssl  # noqa: PLC0415 - as above

    return "".join(ssl.DER_cert_to_PEM_cert(read_base64("a certificate", one)) for one in certificates)


def _check_text(field: str, text: str, most: int = MAX_TEXT) -> None:
    if not text or len(text) > most or not is_shown(text) or text != text.strip(" "):
        raise NoBundleError(f"`{field}` must be a text of 1 to {most:,} characters that show")


def _check_login(login: Login) -> None:
    for name in ("issuer", "client_id"):
        _check_text(f"login.{name}", getattr(login, name))
    for name in ("audience", "scopes", "hosts"):
        if getattr(login, name):
            _check_text(f"login.{name}", getattr(login, name))
    issuer = HttpsUrl.parse(login.issuer)
    if issuer is None or issuer.has_query:
        raise NoBundleError("`login.issuer` must be an https:// URL without a login and a query")


def _check_log(log: Log) -> None:
    keys = LogKeys.of([VerifierKey.parse(text) for text in log.vkeys])
    if str(keys.ed25519) != log.vkeys[0]:
        raise NoBundleError("`log.vkeys` must be the Ed25519 key, then the one of ML-DSA-44")
    Policy(keys, tuple(VerifierKey.parse(text) for text in log.witnesses), log.quorum)
    if bool(log.witnesses) != (log.quorum > 0):
        raise NoBundleError("`log.witnesses` and `log.quorum` must be given together, or none of them")


def _check_certificates(field: str, certificates: Sequence[str]) -> None:
    if certificates and certificates_in(pem_of(certificates)) != certificates:
        raise NoBundleError(f"`{field}` must be certificates, each once")


def _rule(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, msgspec.ValidationError) else "it is not JSON"
