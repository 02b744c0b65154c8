"""The values that a request writes: whether rules and engine take them, and what PATCH, ROLLBACK and GENERATE make.

Values that the engine could never take end a request before anything is compared. If only the write refused such
values, a request would be an oracle that changes nothing: a right guess would end as UNCHANGED and a wrong one as
refused. Here both end alike. What a driver cannot know before the write counts as a guess when the write ends
(docs/adr/0007-store-drivers.md).

PATCH: a secret's fingerprint is made from the fingerprints of its values (docs/protocol.md, Fingerprints). So where
upstream can be read, or a receipt of ours names its content, the fingerprint of the result is known before anything is
written, and to change one key no other value is needed.

ROLLBACK: an earlier version is read, to write its content as a new one. No value comes from outside or leaves.

GENERATE: values are made with the operating system's random generator. No person sees them, and no other file makes
values. They are held like what was opened: in a `Payload` that is erased before a receipt is sent. Private halves are
PEM, PKCS#8, unencrypted; public halves are PEM, SubjectPublicKeyInfo. Templates are filled in at last, from the others.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import MAX_KEYS, MAX_PADDED, BadPayloadError, Payload
from monoskope.protocol.recipes import Recipe, Recipes, Template, template_of
from monoskope.protocol.request import Request
from monoskope.reactor.admission import OUTSIDE_KEY_RULE, driver_options
from monoskope.reactor.identity.fingerprint import FingerprintKey, Fingerprints, digest_of
from monoskope.reactor.limits import has_room
from monoskope.reactor.reasons import FailedError, failed_by
from monoskope.reactor.upstream.first_look import Content
from monoskope.reactor.value_rules import ValueRule, broken_by
from monoskope.stores.driver import DriverError, StoreDriver

BROKEN = "a rule on values of this store's reactor does not allow what would be written: {}."
"""The detail where a rule refuses; its name stands in the gap."""


def check_fitting(
    driver: StoreDriver, request: Request, payload: Payload | None, rules: Sequence[ValueRule] = ()
) -> None:
    """Return if the reactor's rules allow `payload` and the engine could take it, as `request` has it.

    Args:
        driver: The engine's.
        request: The granted request.
        payload: What was sealed, made or read for it, None for nothing: then only a patch that drops keys is checked.
        rules: Those of the reactor's settings. What writes nothing is under none.

    Raises:
        FailedError: UNSUPPORTED, a key is outside the engine's rule; UPSTREAM_REFUSED, a rule is broken; else what the
            driver's refusal becomes.
    """
    if payload is None and not request.remove_keys:
        return
    rule = driver.capabilities.key_rule
    if rule is not None and payload is not None and not all(rule.fullmatch(key) for key in payload):
        raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=OUTSIDE_KEY_RULE)
    if not request.rules.writes:
        return  # Nothing is written, and the options of this request do not say how the values were written.
    if payload is not None and (name := broken_by(rules, request, payload)):
        raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED, detail=BROKEN.format(name))
    remove = request.remove_keys if request.rules.merges else None
    options = driver_options(driver, request)
    try:
        driver.check_payload(request.uri.path, payload, remove=remove, options=options)
    except DriverError as error:
        failure = failed_by(error)
    else:
        return
    # Raised here, so that it does not refer to the driver's error, whose frames know the values.
    raise failure


def check_apart(changes: Payload | None, remove: Sequence[str]) -> None:
    """Raise `BadPayloadError` if a key is to be set and to be dropped: no client of ours asks for that."""
    if changes is not None and not changes.keys().isdisjoint(remove):
        raise BadPayloadError


def result_of(
    key: FingerprintKey, before: Content, changes: Payload | None, remove: Sequence[str]
) -> Fingerprints | None:
    """Return the fingerprints of what the patch makes of `before`, None if they cannot be known.

    Raises:
        FailedError: CONFLICT, a key to drop is not there; UPSTREAM_REFUSED, the result would have no key or too many.
    """
    if before.fingerprints is None:
        return None
    values = dict(before.fingerprints.values)
    if not values.keys() >= set(remove):
        raise FailedError(upload_pb2.REASON_CONFLICT, upstream_version=before.version)
    kept = {name: shown for name, shown in values.items() if name not in remove}
    after = kept | dict(key.fingerprints(changes).values if changes is not None else ())
    if not 1 <= len(after) <= MAX_KEYS:
        raise FailedError(upload_pb2.REASON_UPSTREAM_REFUSED, upstream_version=before.version)
    whole = key.whole_of({name: digest_of(shown) for name, shown in after.items()})
    return Fingerprints(key.shown(whole), tuple(sorted(after.items())))


async def earlier_content(driver: StoreDriver, request: Request) -> Payload:
    """Return the content of the version that is to be there again.

    Raises:
        FailedError: CANNOT_READ, the engine never had that version at this place, or does not keep it.
        DriverError: the engine cannot be asked, or the version cannot be read back.
    """
    snapshot = await driver.read_at(request.uri.path, request.to_version)
    if snapshot is None or snapshot.version != request.to_version:
        raise FailedError(upload_pb2.REASON_CANNOT_READ)
    return snapshot.payload


ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""Of passwords: 56 letters and digits that are not confused, 5.8 bits each."""

MAX_WAITING = 16
"""How many RSA keys may wait to be made; those of one subject at most half of what the others leave."""

_EXPONENT = 65_537


class Generator:
    """Makes values. RSA keys are made in a thread, one at a time, so that heartbeats and other requests go on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "generate")
        self._waiting: Counter[str] = Counter()

    async def generate(self, recipes: Recipes, subject: str, most: int = MAX_PADDED) -> Payload:
        """Return a new secret made by `recipes` for `subject`.

        Raises:
            FailedError: RATE_LIMITED, too many RSA keys wait to be made already; UNSUPPORTED, what templates make has
                more than `most` bytes.
        """
        slow = sum(recipe.kind == "rsa" for recipe in recipes)
        own = self._waiting[subject]
        if slow and not has_room(own + slow - 1, self._waiting.total() - own, MAX_WAITING):
            # Each of them takes about a second.
            raise FailedError(upload_pb2.REASON_RATE_LIMITED, retry_after_s=self._waiting.total())
        self._waiting[subject] += slow
        try:
            made = {recipe.key: await self._value(recipe) for recipe in recipes if recipe.kind != "text"}
        finally:
            self._waiting[subject] -= slow
            self._waiting += Counter()  # Drops the subjects with a count of zero.
        templates = {recipe.key: template_of(recipe) for recipe in recipes if recipe.kind == "text"}
        return Payload(made | filled(templates, made, most))

    async def _value(self, recipe: Recipe) -> bytes:
        size = recipe.effective_size
        match recipe.kind:
            case "password":
                return "".join(secrets.choice(ALPHABET) for _ in range(size)).encode("ascii")
            case "hex":
                return secrets.token_bytes(size).hex().encode("ascii")
            case "base64":
                return base64.b64encode(secrets.token_bytes(size))
            case "rsa":
                return await asyncio.get_running_loop().run_in_executor(self._thread, _rsa, size)
            case "fixed":
                return recipe.text.encode()
            case _:
                return _pem(Ed25519PrivateKey.generate())


TOO_LARGE = "what would be made is larger than the store takes."

_FILTERS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "": bytes,
        "url": lambda value: urllib.parse.quote_from_bytes(value, safe="").encode("ascii"),
        "json": lambda value: json.dumps(value.decode())[1:-1].encode("ascii"),
    }
)


def filled(templates: Mapping[str, Template], values: Mapping[str, bytes], most: int) -> dict[str, bytes]:
    """Return what templates make of values, by their keys.

    Raises:
        FailedError: UNSUPPORTED, all of it together has more than `most` bytes. No more than that is made.
    """
    made: dict[str, bytes] = {}
    for key, template in templates.items():
        pieces: list[bytes] = []
        for piece in template:
            new = piece.encode() if isinstance(piece, str) else _FILTERS[piece.filter](values[piece.key])
            most -= len(new)
            if most < 0:
                raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=TOO_LARGE)
            pieces.append(new)
        made[key] = b"".join(pieces)
    return made


def public_halves(recipes: Recipes, payload: Payload) -> tuple[tuple[str, str], ...]:
    """Return key and public half of each key pair in a secret that was made by `recipes`, in key order."""
    return tuple((recipe.key, _public(payload[recipe.key])) for recipe in recipes if recipe.is_pair)


def _rsa(bits: int) -> bytes:
    return _pem(generate_private_key(_EXPONENT, bits))


def _pem(private: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(pem: bytes) -> str:
    public = load_pem_private_key(pem, None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
