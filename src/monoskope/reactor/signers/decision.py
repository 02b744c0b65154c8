"""The decision about one signed request: a function of the lists, the request, the signature and the time alone."""

from __future__ import annotations

from monoskope.protocol import sshsig
from monoskope.protocol.identity import Namespace
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig import Certificate, Fault, FaultError, PublicKey
from monoskope.protocol.sshsig.lists import ListedKeys, Revocations
from monoskope.reactor.signers.settings import Permission
from monoskope.value import Value


class Rules(Value, frozen=True):
    """What is in force."""

    listed: ListedKeys | None
    """None while the list cannot be used: then nothing is allowed."""
    revoked: Revocations | None
    """None while the list cannot be used: then nothing is allowed."""
    permissions: tuple[Permission, ...]
    max_certificate_s: int
    """For how many seconds a certificate may be valid."""


class Signed(Value, frozen=True):
    """Who signed a request that may be done."""

    principal: str
    key: PublicKey
    """Of a certificate: the key in it."""
    certificate: Certificate | None


def decide(rules: Rules, request: Request, statement: bytes, signature: bytes, *, now: float) -> Signed:
    """Return who signed, if the signer may have `request` done. The numbers are those of docs/signatures.md.

    Args:
        rules: What is in force.
        request: What is asked for.
        statement: What must be signed.
        signature: An SSHSIG without armour; may be empty.
        now: Seconds since 1970.

    Raises:
        FaultError: anything else.
    """
    signed = verified(rules, Namespace.REQUEST, statement, signature, now=now)
    # 4. The permission.
    covering(rules, signed.principal, request)
    return signed


def covering(rules: Rules, principal: str, request: Request) -> tuple[Permission, ...]:
    """Return the entries that allow `request` to `principal`, at least one. Raises `FaultError` if there is none."""
    found = tuple(permission for permission in rules.permissions if permission.covers(principal, request))
    if not found:
        raise FaultError(Fault.NOT_PERMITTED, "no entry of signers.may covers principal, prefix and purpose together")
    return found


def verified(rules: Rules, namespace: Namespace, statement: bytes, signature: bytes, *, now: float) -> Signed:
    """Return who signed, by the lists alone: for what, nothing says yet. The numbers are those of docs/signatures.md.

    Args:
        rules: Its lists are in force, those of the namespace.
        namespace: What the signature must be for.
        statement: What must be signed.
        signature: An SSHSIG without armour; may be empty.
        now: Seconds since 1970.

    Raises:
        FaultError: anything else.
    """
    # 1. The container, and the key or certificate in it.
    if not signature:
        raise FaultError(Fault.MISSING, "there is no signature")
    found = sshsig.parse(signature, namespace)
    # 2. The key or the CA in the list, and not among the revocations: nothing is computed with another's key.
    principal = _listed(rules, found.signer, now)
    if rules.revoked is None:
        raise FaultError(Fault.REVOCATIONS, "the list of revocations cannot be used as it is, so nothing is allowed")
    if rules.revoked.name(found.signer):
        raise FaultError(Fault.REVOKED, "the key, the CA or the certificate is revoked")
    # 3. The signatures: the CA's over the certificate, the key's over the statement.
    found.verify(statement)
    return Signed(principal, found.key, found.certificate)


def _listed(rules: Rules, signer: PublicKey | Certificate, now: float) -> str:
    """Return the principal for which a key or certificate stands now. Raises `FaultError`."""
    certificate = signer if isinstance(signer, Certificate) else None
    key = signer if isinstance(signer, PublicKey) else signer.ca_key
    if rules.listed is None:
        raise FaultError(Fault.UNLISTED, "the list of signers cannot be used as it is, so nothing is allowed")
    line = rules.listed.get(key.blob)
    if line is None or line.authority != (certificate is not None):
        raise FaultError(Fault.UNLISTED, "the key, or the certificate's CA, is not in the list")
    principal = line.principals[0] if certificate is None else certificate.principal
    if not line.covers(principal):
        raise FaultError(Fault.UNLISTED, "the CA is not listed for the certificate's principal")
    if not line.holds_at(now):
        raise FaultError(Fault.TIME, "the line of the list does not hold now")
    if certificate is not None:
        _check_validity(certificate, now, rules.max_certificate_s)
    return principal


def _check_validity(certificate: Certificate, now: float, max_certificate_s: int) -> None:
    if certificate.valid_before - certificate.valid_after > max_certificate_s:
        raise FaultError(Fault.TOO_LONG_VALIDITY, "the certificate is valid for longer than the settings allow")
    if not certificate.valid_after <= now < certificate.valid_before:
        raise FaultError(Fault.TIME, "the certificate does not hold now")
