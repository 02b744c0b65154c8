"""What m8 knows of somebody who leaves, and that outlives their account. All of it is m8's word."""

from __future__ import annotations

import datetime as dt

from monoskope.client.results.access import RoleBinding, Token
from monoskope.client.results.changes import ProposedChange
from monoskope.value import Value


class StandingApproval(Value, frozen=True):
    """An approval that a store's reactor still counts, until the change's `not_after`.

    A change that was declined or withdrawn is none less: m8 carries its approvals no more, and whoever got them before
    can still hand them in.
    """

    change: ProposedChange
    key: str
    """The key that signed it, `SHA256:…`: that line in the reactor's list of revocations ends it. "" if m8 carries it
    no more."""


class UsedKey(Value, frozen=True):
    """A key that signed requests of theirs, by the receipts that m8 has."""

    key: str
    """`SHA256:…`."""
    principal: str
    """How the stores' lists call whoever signs with it."""
    stores: tuple[str, ...]
    """Where it signed, sorted."""
    last_at: dt.datetime | None
    """When it signed last."""


class Offboarding(Value, frozen=True):
    """All that m8 knows of somebody who leaves, and that counts now."""

    member: str
    named_tokens: tuple[Token, ...]
    """Tokens that name them."""
    made_tokens: tuple[Token, ...]
    """Tokens that they made for others."""
    made_role_bindings: tuple[RoleBinding, ...]
    """Role bindings that they created or changed last, whomever these name."""
    named_role_bindings: tuple[RoleBinding, ...]
    """Role bindings of others that name them alone."""
    shared_role_bindings: tuple[RoleBinding, ...]
    """Role bindings of others that name them beside others. None of these is ended: take them out of each."""
    open_changes: tuple[ProposedChange, ...]
    """Changes that they proposed and that can still be approved and executed. None of these is ended."""
    approvals: tuple[StandingApproval, ...]
    """Approvals that they gave for changes of others. None of these is ended: only the store's own list can."""
    keys: tuple[UsedKey, ...]
    """Keys that signed for them in the last year, sorted. Only the stores' own lists say what they may do."""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens that are to end."""
        return self.named_tokens + self.made_tokens

    @property
    def role_bindings(self) -> tuple[RoleBinding, ...]:
        """The role bindings that are to end."""
        return self.made_role_bindings + self.named_role_bindings
