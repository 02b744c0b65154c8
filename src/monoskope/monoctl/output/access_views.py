"""What m8 says of rights, as documents."""

from __future__ import annotations

from collections.abc import Collection

from monoskope.client.results.access import Applied, Offboarding, RoleBinding, Token, WhoAmI
from monoskope.monoctl.output.formats import Document
from monoskope.times import rfc3339

BINDING_COLUMNS = {"NAME": "name", "ROLE": "role", "PREFIX": "prefix", "RIGHTS": "rights", "MEMBERS": "members"}
MADE_BY = {"MADE BY": "made_by"}
ENDING_COLUMNS = {"KIND": "kind", "NAME": "name", "FOR": "members", "WHY": "why", "THEN": "then"}

SHARED = "create it anew without them"
"""What only a person can do: a role binding never changes."""


def role_binding(binding: RoleBinding) -> Document:
    """A role binding, as `monoctl apply` takes it."""
    document: Document = {
        "kind": "RoleBinding",
        "name": binding.name,
        "role": binding.role,
        "members": list(binding.members),
    }
    if binding.prefix:
        document |= {"prefix": binding.prefix, "rights": list(binding.rights)}
    if binding.made_by:
        document["made_by"] = binding.made_by
    return document


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


def member(who: WhoAmI) -> Document:
    """What m8 says of the caller beside what every m8 says."""
    return {
        "member": who.member,
        "issuer": who.issuer,
        "issuer_subject": who.issuer_subject,
        "groups": list(who.groups),
        "roles": list(who.roles),
        "may": [
            {"prefix": one.prefix, "rights": list(one.rights), "role_binding": one.role_binding} for one in who.rights
        ],
        "token_id": who.token_id,
    }
