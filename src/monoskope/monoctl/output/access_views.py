"""What m8 says of rights, as documents."""

from __future__ import annotations

from collections.abc import Collection

from monoskope.client.results.access import Applied, Offboarding, Token
from monoskope.monoctl.output.formats import Document
from monoskope.monoctl.output.views import role_binding
from monoskope.times import rfc3339

BINDING_COLUMNS = {"NAME": "name", "ROLE": "role", "PREFIX": "prefix", "RIGHTS": "rights", "MEMBERS": "members"}
MADE_BY = {"MADE BY": "made_by"}
ENDING_COLUMNS = {"KIND": "kind", "NAME": "name", "FOR": "members", "WHY": "why", "THEN": "then"}

SHARED = "create it anew without them"
"""What only a person can do: a role binding never changes."""


def offboarding(found: Offboarding, keep: Collection[str] = ()) -> list[Document]:
    """What came from a member who leaves, or names them, and what becomes of each."""
    rows: list[Document] = [
        {"kind": "token", "name": one.token_id, "members": [one.subject], "why": why, "then": "revoke"}
        for tokens, why in ((found.named_tokens, "names them"), (found.made_tokens, "made by them"))
        for one in tokens
    ]
    rows += [
        {"kind": "role-binding", "name": one.name, "members": list(one.members), "why": why, "then": then}
        for bindings, why, then in (
            (found.made_role_bindings, "made by them", "delete"),
            (found.named_role_bindings, "names them alone", "delete"),
            (found.shared_role_bindings, "names them beside others", SHARED),
        )
        for one in bindings
    ]
    return [row | {"then": "keep"} if row["name"] in keep else row for row in rows]


def applied(result: Applied, *, dry_run: bool) -> Document:
    """What changed, or would change."""
    return {
        "created": [role_binding(one) for one in result.created],
        "deleted": [role_binding(one) for one in result.deleted],
        "unchanged": result.unchanged,
        "dry_run": dry_run,
    }


def token(one: Token, now_ms: int) -> Document:
    """A token, without itself."""
    expires_ms = 0 if one.expires_at is None else int(one.expires_at.timestamp() * 1000)
    return {
        "token_id": one.token_id,
        "subject": one.subject,
        "member": one.member,
        "role": one.role,
        "prefixes": list(one.prefixes),
        "rights": list(one.rights),
        "expires": rfc3339(expires_ms),
        "made_by": one.made_by,
        "state": "revoked" if one.revoked else "expired" if expires_ms <= now_ms else "valid",
    }
