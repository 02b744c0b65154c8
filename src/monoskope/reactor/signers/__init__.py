"""Who may have what done: the reactor's own lists and the entries of `[signers]` (docs/signatures.md).

`Signers.authorize` is the one question that the reactor asks before it uses a key.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, statement
from monoskope.protocol.request import Request
from monoskope.protocol.sshsig.fields import Fault, FaultError
from monoskope.protocol.sshsig.lists import ListedKeys, Revocations, line_for, parse_listed, parse_revoked
from monoskope.reactor.signers.approvals import (
    NOT_APPROVED,
    NOTHING_PRESENTED,
    ApprovalRules,
    Approved,
    Presented,
    approve,
)
from monoskope.reactor.signers.decision import Rules, decide
from monoskope.reactor.signers.list_file import ListFile
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, SignersFile, approver_permissions, permissions
from monoskope.value import Value

T = TypeVar("T")


class ListDigests(Value, frozen=True):
    """Which lists decided: for the audit log."""

    file: str
    """SHA-256 of the list of signers in force, 64 hex digits; "" while it cannot be used."""
    revoked: str
    """The same of the list of revocations."""
    approvers: str = ""
    """The same of the list of approvers; "" also where there is none."""
    rules: str = ""
    """SHA-256 over all of them and the entries of `[signers]`: replicas with another one decide otherwise."""


class Authorized(Value, frozen=True):
    """A request that its signer may have done."""

    signer: str
    """The principal."""
    signer_key: str
    """The key's `SHA256:…`; of a certificate that of the key in it."""
    lists: ListDigests
    certificate: str = ""
    """With a certificate: what names it in the list of revocations."""
    approved: Approved = NOT_APPROVED
    """By whose approvals."""


class NotAuthorizedError(RefusedError):
    """The reactor does not do what it was asked. The receipt says NOT_AUTHORIZED and nothing else.

    Args:
        fault: What is wrong.
        why: The sentence about it, for the audit log alone: it holds no part of the request.
        lists: Which lists decided.
    """

    def __init__(self, fault: Fault, why: str, lists: ListDigests) -> None:
        super().__init__("the request is not signed by a key that may have it done.")
        self.fault = fault
        self.why = why
        self.lists = lists


class SignersState(Value, frozen=True):
    """How the lists are, for health and for people."""

    lists: ListDigests
    troubles: tuple[str, ...] = ()
    """A sentence for each list that cannot be used as it is now; none if all is well."""


class Signers:
    """The reactor's own lists and rules. Its methods block for some small reads, and under 1 ms for each signature."""

    def __init__(
        self,
        file: SignersFile,
        *,
        listed: ListFile[ListedKeys],
        revoked: ListFile[Revocations],
        approvers: ListFile[ListedKeys] | None,
        store: str,
        identity: str,
        clock: Callable[[], float],
    ) -> None:
        self._unsigned = frozenset(PURPOSE_BY_WORD[word] for word in file.unsigned)
        self._permissions = permissions(file.may, store)
        self._approver_permissions = approver_permissions(file.approve, store)
        self._max_certificate_s = file.max_certificate_hours * 3_600
        self._max_change_s = file.max_change_hours * 3_600
        self._entries = _digest_of_entries(file)
        self._identity = identity
        self._listed = listed
        self._revoked = revoked
        self._approvers = approvers
        self._clock = clock

    @classmethod
    def load(
        cls, file: SignersFile, *, folder: Path, store: str, identity: str = "", clock: Callable[[], float] = time.time
    ) -> Self:
        """Read the lists that `[signers]` names.

        Args:
            file: The table.
            folder: The folder of `reactor.toml`, to which paths are relative.
            store: The name of the reactor's store.
            identity: The store's, as shown; "" executes no change.
            clock: Seconds since 1970.

        Raises:
            UsageError: a list is missing or bad.
            RefusedError: others than its owner can write a list.
        """
        listed = ListFile(
            folder / file.file, "the list of signers", partial(parse_listed, namespace=Namespace.REQUEST), clock
        )
        revoked = ListFile(folder / file.revoked, "the list of revocations", parse_revoked, clock)
        approvers = None
        if file.approvers:
            parse = partial(parse_listed, namespace=Namespace.APPROVAL)
            approvers = ListFile(folder / file.approvers, "the list of approvers", parse, clock)
        return cls(
            file, listed=listed, revoked=revoked, approvers=approvers, store=store, identity=identity, clock=clock
        )

    def requires(self, purpose: upload_pb2.Purpose) -> bool:
        """Whether requests of `purpose` need a signature."""
        return purpose not in self._unsigned

    def asks(self, request: Request) -> int:
        """Return how many approvals the entries ask for `request` at most, of anybody."""
        return max((entry.approvals for entry in self._permissions if entry.is_about(request)), default=0)

    def can_sign(self, principal: str) -> bool:
        """Whether the list of approvers has a line for `principal`, or for a CA that may certify it."""
        listed = None if self._approvers is None else _in_force(self._approvers)
        return any(line.covers(principal) for line in (listed or {}).values())

    def authorize(
        self, grant: Grant, sealed_sha256: bytes, signature: bytes, presented: Presented = NOTHING_PRESENTED
    ) -> Authorized:
        """Return who signed a request and by whose approvals, if its grant requires a signature and it may be done.

        Lists that changed are read anew first.

        Args:
            grant: The reactor's own copy of its grant.
            sealed_sha256: SHA-256 of encapsulated key || ciphertext as received; of nothing sealed that of no bytes.
            signature: An SSHSIG without armour, as it came; may be empty.
            presented: The change and the approvals, as they came.

        Raises:
            NotAuthorizedError: anything else, also a grant that requires no signature.
        """
        self._read_again()
        try:
            if not grant.signature_required:
                raise FaultError(Fault.UNNEEDED, "the grant requires no signature")  # noqa: TRY301 - ends as the others
            rules, request, now = self._rules(), grant.request, self._clock()
            signed = decide(rules, request, statement(grant.sha256, sealed_sha256), signature, now=now)
            approved = approve(rules, self._approval_rules(), request, signed, presented, now=now)
        except FaultError as error:
            raise NotAuthorizedError(error.fault, error.message, self._digests()) from None
        certificate = signed.certificate
        return Authorized(
            signer=signed.principal,
            signer_key=signed.key.fingerprint,
            lists=self._digests(),
            certificate="" if certificate is None else line_for(certificate),
            approved=approved,
        )

    def state(self) -> SignersState:
        """Read lists that changed, and return how they are."""
        self._read_again()
        troubles = [self._listed.trouble, self._revoked.trouble]
        if self._approvers is not None:
            troubles.append(self._approvers.trouble)
        return SignersState(self._digests(), tuple(trouble for trouble in troubles if trouble))

    def _read_again(self) -> None:
        self._listed.read_again()
        self._revoked.read_again()
        if self._approvers is not None:
            self._approvers.read_again()

    def _rules(self) -> Rules:
        return Rules(_in_force(self._listed), _in_force(self._revoked), self._permissions, self._max_certificate_s)

    def _approval_rules(self) -> ApprovalRules:
        listed = None if self._approvers is None else _in_force(self._approvers)
        approvers = Rules(listed, _in_force(self._revoked), (), self._max_certificate_s)
        return ApprovalRules(approvers, self._approver_permissions, self._identity, self._max_change_s)

    def _digests(self) -> ListDigests:
        files = (self._listed, self._revoked, self._approvers)
        listed, revoked, approvers = ("" if one is None or one.trouble else one.sha256 for one in files)
        whole = f"{listed}\n{revoked}\n{approvers}\n{self._entries}"
        return ListDigests(listed, revoked, approvers, hashlib.sha256(whole.encode("ascii")).hexdigest())


def _in_force(file: ListFile[T]) -> T | None:
    """Return a list, None while it cannot be used: what was good before may name a person who had to leave."""
    return None if file.trouble else file.value


def _digest_of_entries(file: SignersFile) -> str:
    """Return SHA-256 over what `[signers]` says besides where the lists are."""
    entries = msgspec.to_builtins(file)
    for where in ("file", "revoked", "approvers"):
        del entries[where]
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode("ascii")).hexdigest()
