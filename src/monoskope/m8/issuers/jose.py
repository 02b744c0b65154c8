"""A token of an issuer, taken apart and verified (RFC 7515), and the issuer's keys (RFC 7517). Free of I/O.

The token's header chooses a key among those of its issuer, and nothing else: not where keys come from, and not an
algorithm that the key is not for. What can be read in two ways, such as a name that stands twice, is refused.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from monoskope.errors import UsageError
from monoskope.m8.domain.principal import ExchangeRefusedError
from monoskope.protocol.login import ExchangeRefusal
from monoskope.value import Unshared

MAX_TOKEN = 16_384
"""Characters of a token at most."""

MAX_KEY_ID = 256
"""Characters in the name of a key at most."""

PublicKey = RSAKey | ECKey | OKPKey

KEY_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("Ed25519", "EdDSA"), "OKP"),
}
"""The algorithms that m8 takes, each with the type of its keys."""

CURVES: Mapping[str, str] = {
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "Ed25519": "Ed25519",
    "EdDSA": "Ed25519",
}
"""The curve of each algorithm that has one."""

MAX_JWKS = 262_144
"""Bytes of a JWKS, and of a discovery document, at most."""

MAX_KEYS = 256
"""Keys of one issuer at most."""

MIN_RSA_BITS = 2_048

_RSA_TEXT = range(MIN_RSA_BITS // 6, 8_192 // 6 + 8)
"""How long the modulus of an RSA key may be as text: up to 8,192 bits, whose signatures cost 0.24 ms."""

_WAY: Mapping[str, tuple[type[RSAKey | ECKey | OKPKey], tuple[str, ...]]] = {
    "RSA": (RSAKey, ("n", "e")),
    "EC": (ECKey, ("crv", "x", "y")),
    "OKP": (OKPKey, ("crv", "x")),
}
"""How a key of each type is read: only what is public in it."""

Keys = Mapping[tuple[str, str], tuple[PublicKey, Mapping[str, Any]]]
"""Each key with its JWK, by its name (`kid`) and its type (`kty`)."""

_PART = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)
_HEADERS = (
    ("jku", ExchangeRefusal.HEADER_JKU, "names an address of keys"),
    ("jwk", ExchangeRefusal.HEADER_JWK, "brings a key of its own"),
    ("x5u", ExchangeRefusal.HEADER_X5U, "names an address of certificates"),
    ("x5c", ExchangeRefusal.HEADER_X5C, "brings certificates of its own"),
    ("crit", ExchangeRefusal.HEADER_CRIT, "asks for extensions"),
    ("b64", ExchangeRefusal.HEADER_CRIT, "asks for extensions"),
)


@dataclass(frozen=True, slots=True)
class Token(Unshared):
    """A token that was taken apart. Nothing in it is proven before `verify`.

    Attributes:
        algorithm: One of `KEY_TYPES`.
        key_id: The key that signed it, as it says.
        claims: What it claims.
        signed: The bytes over which the signature is.
        signature: The signature.
    """

    algorithm: str
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "<Token>"

    def verify(self, key: PublicKey) -> None:
        """Return if the token was signed with `key`, which is for its algorithm.

        Raises:
            ExchangeRefusedError: SIGNATURE.
        """
        try:
            valid = JWSRegistry.algorithms[self.algorithm].verify(self.signed, self.signature, key)
        except (JoseError, ValueError, TypeError):
            valid = False
        if not valid:
            raise ExchangeRefusedError(ExchangeRefusal.SIGNATURE, "the token's signature is wrong.")


def parse(text: str) -> Token:
    """Take a token apart, and check its header.

    Raises:
        ExchangeRefusedError: TOO_LARGE, MALFORMED, HEADER_…, ALGORITHM…, TYPE or KEY_ID.
    """
    if len(text) > MAX_TOKEN:
        raise ExchangeRefusedError(ExchangeRefusal.TOO_LARGE, f"the token has more than {MAX_TOKEN:,} characters.")
    parts = text.split(".")
    if len(parts) != 3:
        raise _malformed()
    header = _json(parts[0])
    algorithm = _algorithm(header)
    _check_type(header)
    key_id, claims, signature = _key_id(header), _json(parts[1]), _bytes(parts[2])
    return Token(algorithm, key_id, claims, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def _algorithm(header: Mapping[str, Any]) -> str:
    for name, refusal, does in _HEADERS:
        if name in header:
            raise ExchangeRefusedError(refusal, f"the token's header {does} (`{name}`); m8 takes no such token.")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise _malformed()
    if algorithm.lower() == "none":
        raise ExchangeRefusedError(ExchangeRefusal.ALGORITHM_NONE, "the token is not signed (`alg` is none).")
    if algorithm.upper().startswith("HS"):
        raise ExchangeRefusedError(
            ExchangeRefusal.ALGORITHM_HMAC, "the token is signed with a shared secret (HMAC), which m8 never takes."
        )
    if algorithm not in KEY_TYPES:
        raise ExchangeRefusedError(
            ExchangeRefusal.ALGORITHM,
            "the token's `alg` is none that m8 takes.",
            fix=f"Let the issuer sign with one of {', '.join(KEY_TYPES)}.",
        )
    return algorithm


def _check_type(header: Mapping[str, Any]) -> None:
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise ExchangeRefusedError(
            ExchangeRefusal.TYPE, "the token's header says that it is no ID token (`typ` is not JWT)."
        )


def _key_id(header: Mapping[str, Any]) -> str:
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID:
        raise ExchangeRefusedError(
            ExchangeRefusal.KEY_ID,
            f"the token's header names no key (`kid`, 1 to {MAX_KEY_ID} characters).",
            fix="Let the issuer name its keys.",
        )
    return key_id


def _json(part: str) -> Mapping[str, Any]:
    return json_object(_bytes(part), _malformed())


def json_object(content: bytes, wrong: Exception) -> dict[str, Any]:
    """Return the JSON object in `content`. Raises `wrong` if it is none, or can be read in two ways."""
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        # Raised out here so that no error of the library, which knows the text, hangs on it.
        raise wrong
    return found


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _no_number(_text: str) -> float:
    raise ValueError("JSON has no such number")


def _bytes(part: str) -> bytes:
    """Return what a part encodes: base64url without padding, each content in one way alone (RFC 7515, 2)."""
    if not part or _PART.fullmatch(part) is None or len(part) % 4 == 1:
        raise _malformed()
    found = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if urlsafe_b64encode(found).rstrip(b"=") != part.encode("ascii"):
        raise _malformed()
    return found


def _malformed() -> ExchangeRefusedError:
    return ExchangeRefusedError(ExchangeRefusal.MALFORMED, "the token is not a signed JWT in the compact form.")


def parse_jwks(content: bytes, source: str) -> Keys:
    """Return the keys in a JWKS that can verify signatures. Others are left out, and so are two of one name and type.

    Raises:
        UsageError: it is no JWKS, or holds no such key; names the `source`.
    """
    if len(content) > MAX_JWKS:
        raise UsageError(f"{source} has more than {MAX_JWKS:,} bytes.", fix="Name the issuer's JWKS.")
    wrong = UsageError(f"{source} is no JWKS, a JSON object with `keys`.", fix="Name the issuer's JWKS.")
    listed = json_object(content, wrong).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise wrong
    found: dict[tuple[str, str], tuple[PublicKey, Mapping[str, Any]]] = {}
    twice: set[tuple[str, str]] = set()
    for jwk in listed:
        key = _usable(jwk)
        if key is not None:
            name = (jwk["kid"], jwk["kty"])
            twice |= {name} & found.keys()
            found[name] = (key, jwk)
    usable = {name: entry for name, entry in found.items() if name not in twice}
    if not usable:
        raise UsageError(f"{source} holds no key that m8 can use.", fix="Let the issuer publish a key with a `kid`.")
    return usable


def _usable(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _is_to_verify(jwk):
        return None
    cls, fields = _WAY[jwk["kty"]]
    try:
        key: PublicKey = cls.import_key({"kty": jwk["kty"], **{field: jwk[field] for field in fields}})
        bits = key.public_key.key_size if isinstance(key, RSAKey) else MIN_RSA_BITS
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return key if bits >= MIN_RSA_BITS else None


def _is_to_verify(jwk: Mapping[str, Any]) -> bool:
    """Whether a JWK says that it is a named key of a kind that m8 takes, for signatures."""
    kid, kind, operations = jwk.get("kid"), jwk.get("kty"), jwk.get("key_ops", ["verify"])
    return (
        isinstance(kid, str)
        and 1 <= len(kid) <= MAX_KEY_ID
        and isinstance(kind, str)
        and kind in _WAY
        and (len(str(jwk.get("n"))) in _RSA_TEXT if kind == "RSA" else jwk.get("crv") in CURVES.values())
        and jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(jwk.get("alg", ""), str)
    )


def fits(jwk: Mapping[str, Any], algorithm: str) -> bool:
    """Whether a key is for an algorithm: what it says itself, and its curve."""
    said = jwk.get("alg", algorithm)
    same = said == algorithm or {said, algorithm} == {"Ed25519", "EdDSA"}
    return same and jwk.get("crv") == CURVES.get(algorithm)
