"""Who may have what done: the reactor's own list of keys, its revocations, and `[[signers.may]]` (docs/signatures.md).

`Signers.authorize` is the one question that the reactor asks before it uses a key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import Namespace, statement
from monoskope.protocol.sshsig.fields import Fault, FaultError
from monoskope.reactor.signers.decision import Rules, decide
from monoskope.reactor.signers.list_file import ListFile
from monoskope.reactor.signers.lists import ListedKeys, Revocations, line_for, parse_listed, parse_revoked
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, SignersFile, permissions
from monoskope.value import Value


class ListDigests(Value, frozen=True):
    """Which lists decided: for the audit log."""

    file: str
    """SHA-256 of the list of signers in force, 64 hex digits; "" while it cannot be used."""
    revoked: str
    """The same of the list of revocations."""


class Authorized(Value, frozen=True):
    """A request that its signer may have done."""

    signer: str
    """The principal."""
    signer_key: str
    """The key's `SHA256:…`; of a certificate that of the key in it."""
    lists: ListDigests
    certificate: str = ""
    """With a certificate: what names it in the list of revocations."""


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
    """The reactor's own lists and rules. Its methods block for two small reads and one verification, under 1 ms."""

    def __init__(
        self,
        file: SignersFile,
        *,
        listed: ListFile[ListedKeys],
        revoked: ListFile[Revocations],
        store: str,
        clock: Callable[[], float],
    ) -> None:
        self._unsigned = frozenset(PURPOSE_BY_WORD[word] for word in file.unsigned)
        self._permissions = permissions(file.may, store)
        self._max_certificate_s = file.max_certificate_hours * 3_600
        self._listed = listed
        self._revoked = revoked
        self._clock = clock

    @classmethod
    def load(cls, file: SignersFile, *, folder: Path, store: str, clock: Callable[[], float] = time.time) -> Self:
        """Read the lists that `[signers]` names.

        Args:
            file: The table.
            folder: The folder of `reactor.toml`, to which paths are relative.
            store: The name of the reactor's store.
            clock: Seconds since 1970.

        Raises:
            UsageError: a list is missing or bad.
            RefusedError: others than its owner can write a list.
        """
        listed = ListFile(
            folder / file.file, "the list of signers", partial(parse_listed, namespace=Namespace.REQUEST), clock
        )
        revoked = ListFile(folder / file.revoked, "the list of revocations", parse_revoked, clock)
        return cls(file, listed=listed, revoked=revoked, store=store, clock=clock)

    def requires(self, purpose: upload_pb2.Purpose) -> bool:
        """Whether requests of `purpose` need a signature."""
        return purpose not in self._unsigned

    def authorize(self, grant: Grant, sealed_sha256: bytes, signature: bytes) -> Authorized:
        """Return who signed a request, if its grant requires a signature and the signer may have it done.

        Lists that changed are read anew first.

        Args:
            grant: The reactor's own copy of its grant.
            sealed_sha256: SHA-256 of encapsulated key || ciphertext as received; of nothing sealed that of no bytes.
            signature: An SSHSIG without armour, as it came; may be empty.

        Raises:
            NotAuthorizedError: anything else, also a grant that requires no signature.
        """
        self._read_again()
        try:
            if not grant.signature_required:
                raise FaultError(Fault.UNNEEDED, "the grant requires no signature")  # noqa: TRY301 - ends as the others
            signed = decide(
                self._rules(), grant.request, statement(grant.sha256, sealed_sha256), signature, now=self._clock()
            )
        except FaultError as error:
            raise NotAuthorizedError(error.fault, error.message, self._digests()) from None
        certificate = signed.certificate
        return Authorized(
            signer=signed.principal,
            signer_key=signed.key.fingerprint,
            lists=self._digests(),
            certificate="" if certificate is None else line_for(certificate),
        )

    def state(self) -> SignersState:
        """Read lists that changed, and return how they are."""
        self._read_again()
        troubles = (self._listed.trouble, self._revoked.trouble)
        return SignersState(self._digests(), tuple(trouble for trouble in troubles if trouble))

    def _read_again(self) -> None:
        self._listed.read_again()
        self._revoked.read_again()

    def _rules(self) -> Rules:
        # What was good before does not go on to count: it may name a person who had to leave.
        listed = None if self._listed.trouble else self._listed.value
        revoked = None if self._revoked.trouble else self._revoked.value
        return Rules(listed, revoked, self._permissions, self._max_certificate_s)

    def _digests(self) -> ListDigests:
        listed, revoked = ("" if one.trouble else one.sha256 for one in (self._listed, self._revoked))
        return ListDigests(listed, revoked)
