"""The commands about role bindings."""

from __future__ import annotations

from monoskope import operating_log
from monoskope.api.gateway.v1 import access_pb2
from monoskope.m8.domain import role_bindings as rules
from monoskope.m8.domain.role_bindings import ROLE_BINDINGS_STREAM, RoleBinding, RoleBindings
from monoskope.m8.service.access.views import parsed, view
from monoskope.m8.service.app import App, Caller


class RoleBindingCommands:
    """The part of `AccessService` about role bindings."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def create_role_binding(
        self, message: access_pb2.CreateRoleBindingRequest, caller: Caller
    ) -> access_pb2.CreateRoleBindingResponse:
        """Add a role binding. Administrators only; one of the same name and content may be there already.

        Raises:
            UsageError: it is not well formed.
            RefusedError: the caller would get something by it, or there are too many.
            AlreadyExistsError: the name is or was another one's.
        """
        wanted = parsed(message.role_binding)
        operating_log.bind_contextvars(role_binding=wanted.name)
        await self._change([wanted], caller)
        return access_pb2.CreateRoleBindingResponse(role_binding=view(wanted))

    async def delete_role_binding(
        self, message: access_pb2.DeleteRoleBindingRequest, caller: Caller
    ) -> access_pb2.DeleteRoleBindingResponse:
        """Delete a role binding: at the next call it gives nothing. Administrators only.

        Raises:
            NotFoundError: there is none of that name.
        """
        operating_log.bind_contextvars(role_binding=message.name)
        aggregates = self._app.aggregates
        await aggregates.change(
            ROLE_BINDINGS_STREAM,
            aggregates.role_bindings,
            lambda known: rules.delete(known, message.name),
            actor=caller.principal.subject,
        )
        return access_pb2.DeleteRoleBindingResponse()

    async def apply_role_bindings(
        self, message: access_pb2.ApplyRoleBindingsRequest, caller: Caller
    ) -> access_pb2.ApplyRoleBindingsResponse:
        """Make the role bindings those that are given, all or nothing. Administrators only.

        Without `prune`, bindings that are not given stay. With `dry_run` nothing is recorded.

        Raises:
            UsageError: one is not well formed, two have the same name, or `prune` would delete all.
            RefusedError: the caller would get something by one, or there are too many.
            AlreadyExistsError: a name is or was another one's.
        """
        wanted = [parsed(one) for one in message.role_bindings]
        before = await self._change(wanted, caller, prune=message.prune, dry_run=message.dry_run)
        plan = rules.plan(before, wanted, prune=message.prune)
        return access_pb2.ApplyRoleBindingsResponse(
            created=[view(one) for one in plan.created],
            deleted=[view(one) for one in plan.deleted],
            unchanged=plan.unchanged,
        )

    async def _change(
        self, wanted: list[RoleBinding], caller: Caller, *, prune: bool = False, dry_run: bool = False
    ) -> RoleBindings:
        """Record what makes the bindings the ones that are wanted, and return them as they were before."""
        aggregates = self._app.aggregates
        seen = RoleBindings()

        def decide(known: RoleBindings) -> list[rules.Change]:
            nonlocal seen
            seen = known
            events = rules.apply(known, wanted, by=caller.principal, prune=prune)
            return [] if dry_run else events

        await aggregates.change(ROLE_BINDINGS_STREAM, aggregates.role_bindings, decide, actor=caller.principal.subject)
        return seen
