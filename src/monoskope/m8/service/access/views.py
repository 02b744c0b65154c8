"""Role bindings as messages of the API, and back."""

from __future__ import annotations

from monoskope.api.gateway.v1 import access_pb2
from monoskope.m8.domain import role_bindings
from monoskope.m8.domain.role_bindings import RoleBinding


def parsed(message: access_pb2.RoleBinding) -> RoleBinding:
    """Return the role binding in `message`. Raises `UsageError` if it is not well formed."""
    return role_bindings.parse(
        name=message.name, role=message.role, members=message.members, prefix=message.prefix, rights=message.rights
    )


def view(binding: RoleBinding) -> access_pb2.RoleBinding:
    """Return `binding` as the API shows it."""
    return access_pb2.RoleBinding(
        name=binding.name,
        role=binding.role,
        members=[str(member) for member in binding.members],
        prefix="" if binding.prefix is None else str(binding.prefix),
        rights=binding.rights,
        made_by=binding.created_by,
    )
