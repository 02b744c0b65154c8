"""Who may have what done: the reactor's own list of keys, its revocations, and `[[signers.may]]`.

`Signers.authorize` is the one question that the reactor asks before it uses a key.
"""

from __future__ import annotations

from monoskope.reactor.signers.signers import Authorized, ListDigests, NotAuthorizedError, Signers, SignersState

__all__ = ["Authorized", "ListDigests", "NotAuthorizedError", "Signers", "SignersState"]
