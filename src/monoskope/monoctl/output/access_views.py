"""What m8 says of rights, as documents."""

from __future__ import annotations

from monoskope.client.results.access import Applied, RoleBinding, Token, WhoAmI
from monoskope.monoctl.output.formats import Document
from monoskope.times import rfc3339

BINDING_COLUMNS = {"NAME": "name", "ROLE": "role", "PREFIX": "prefix", "RIGHTS": "rights", "MEMBERS": "members"}


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
    return document


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
