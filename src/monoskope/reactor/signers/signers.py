"""Whether a key of the reactor's own list signed a request, and may have it done (docs/signed-requests.md)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError
from monoskope.protocol.grant import Grant
from monoskope.protocol.sshsig.faults import Fault
from monoskope.reactor.signers.settings import SignersFile
from monoskope.value import Value


class ListDigests(Value, frozen=True):
    """Which lists decided: for the audit log."""

    file: str
    """SHA-256 of the list of signers in force, 64 hex digits."""
    revoked: str
    """SHA-256 of the list of revocations in force; "" while it cannot be read."""


class Authorized(Value, frozen=True):
    """A request that its signer may have done."""

    signer: str
    """The principal."""
    signer_key: str
    """The key's `SHA256:…`; of a certificate that of the key in it."""
    lists: ListDigests
    ca_key: str = ""
    """With a certificate: its CA's `SHA256:…`."""
    serial: int = 0
    """With a certificate: its serial number."""


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
        raise NotImplementedError

    def requires(self, purpose: upload_pb2.Purpose) -> bool:
        """Whether requests of `purpose` need a signature."""
        raise NotImplementedError

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
        raise NotImplementedError

    def state(self) -> SignersState:
        """Read lists that changed, and return how they are."""
        raise NotImplementedError
