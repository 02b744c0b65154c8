"""The commands of administrators: about stores, the fingerprint key, role bindings, and tokens of members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from google.protobuf.message import Message

from monoskope import operating_log
from monoskope.api.gateway.v1 import access_pb2, commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import NotFoundError, RefusedError
from monoskope.m8.domain import binding_changes, fingerprint_key, role_bindings, stores
from monoskope.m8.domain.aggregates import CATALOGUE, FINGERPRINT_KEY, ROLE_BINDINGS, Aggregate, V
from monoskope.m8.domain.binding_changes import Plan
from monoskope.m8.domain.principal import Principal
from monoskope.m8.domain.role_bindings import RoleBinding, RoleBindings
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.readmodels.documents import TOKENS
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.upload_key import without_key
from monoskope.protocol.login import LOCAL, Member


def parsed(message: access_pb2.RoleBinding) -> RoleBinding:
    """Return the role binding in `message`. Raises `UsageError` if it is not well formed."""
    return role_bindings.parse(
        name=message.name,
        role=message.role,
        members=message.members,
        prefix=message.prefix,
        rights=message.rights,
        version=message.version,
    )


def view(binding: RoleBinding) -> access_pb2.RoleBinding:
    """Return `binding` as the API shows it."""
    event = role_bindings.event_of(binding)
    return access_pb2.RoleBinding(
        name=event.name,
        role=event.role,
        members=event.members,
        prefix=event.prefix,
        rights=event.rights,
        made_by=binding.made_by,
        version=binding.version,
    )


class Administration:
    """The commands of administrators, without a transport; members also revoke tokens of their own."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def create_secret_store(
        self, message: commands_pb2.CreateSecretStoreRequest, caller: Caller
    ) -> commands_pb2.CreateSecretStoreResponse:
        """Add a store, inactive; the first one becomes the default. Administrators only.

        Raises:
            AlreadyExistsError: the name or the identity is or was a store's.
        """
        store = await self._change_store(
            message.name,
            lambda known: stores.create(known, name=message.name, kind=message.type, identity=message.identity),
            caller,
        )
        return commands_pb2.CreateSecretStoreResponse(store=store)

    async def activate_secret_store(
        self, message: commands_pb2.ActivateSecretStoreRequest, caller: Caller
    ) -> commands_pb2.ActivateSecretStoreResponse:
        """Let a store take uploads. Administrators only. Raises `NotFoundError`."""
        store = await self._change_store(message.name, lambda known: stores.activate(known, message.name), caller)
        return commands_pb2.ActivateSecretStoreResponse(store=store)

    async def deactivate_secret_store(
        self, message: commands_pb2.DeactivateSecretStoreRequest, caller: Caller
    ) -> commands_pb2.DeactivateSecretStoreResponse:
        """Let a store take no uploads. Administrators only. Raises `NotFoundError`."""
        store = await self._change_store(message.name, lambda known: stores.deactivate(known, message.name), caller)
        return commands_pb2.DeactivateSecretStoreResponse(store=store)

    async def set_default_secret_store(
        self, message: commands_pb2.SetDefaultSecretStoreRequest, caller: Caller
    ) -> commands_pb2.SetDefaultSecretStoreResponse:
        """Make a store the default. Administrators only. Raises `NotFoundError`."""
        store = await self._change_store(message.name, lambda known: stores.set_default(known, message.name), caller)
        return commands_pb2.SetDefaultSecretStoreResponse(store=store)

    async def replace_secret_store_identity(
        self, message: commands_pb2.ReplaceSecretStoreIdentityRequest, caller: Caller
    ) -> commands_pb2.ReplaceSecretStoreIdentityResponse:
        """Give a store an identity without proof, as after a theft; its reactors are cut off. Administrators only.

        Raises:
            NotFoundError: there is no such store.
            AlreadyExistsError: the identity is or was in use.
        """
        store = await self._change_store(
            message.name, lambda known: stores.replace_identity(known, message.name, message.identity), caller
        )
        return commands_pb2.ReplaceSecretStoreIdentityResponse(store=store)

    async def start_fingerprint_key_rotation(
        self, message: commands_pb2.StartFingerprintKeyRotationRequest, caller: Caller
    ) -> commands_pb2.StartFingerprintKeyRotationResponse:
        """Allow a second fingerprint key id. Administrators only. Raises `ConflictError`."""
        await self._change(FINGERPRINT_KEY, lambda known: fingerprint_key.start_rotation(known, message.key_id), caller)
        return commands_pb2.StartFingerprintKeyRotationResponse()

    async def finish_fingerprint_key_rotation(
        self, message: commands_pb2.FinishFingerprintKeyRotationRequest, caller: Caller
    ) -> commands_pb2.FinishFingerprintKeyRotationResponse:
        """Allow the new fingerprint key id alone, or the former one alone to give a rotation up. Administrators only.

        Reactors with another key lose their sessions, each as soon as it sees this event.

        Raises:
            ConflictError: no rotation to it is under way; or, without `force`, attached reactors have another key.
        """
        left = [name async for store in self._app.documents.stores() for name in without_key(store, message.key_id)]
        await self._change(
            FINGERPRINT_KEY,
            lambda known: fingerprint_key.finish_rotation(known, message.key_id, left=left, force=message.force),
            caller,
        )
        return commands_pb2.FinishFingerprintKeyRotationResponse()

    async def _change_store(
        self, name: str, decide: Callable[[Catalogue], Sequence[Message]], caller: Caller
    ) -> views_pb2.SecretStore:
        operating_log.bind_contextvars(store=name)
        await self._change(CATALOGUE, decide, caller)
        store = await self._app.documents.store_with_beats(name)
        assert store is not None, "the domain decided on a store that exists"
        return store

    async def _change(self, aggregate: Aggregate[V], decide: Callable[[V], Sequence[Message]], caller: Caller) -> None:
        await self._app.aggregates.change(aggregate, decide, actor=caller.principal.subject)

    async def create_role_binding(
        self, message: access_pb2.CreateRoleBindingRequest, caller: Caller
    ) -> access_pb2.CreateRoleBindingResponse:
        """Add a role binding. Administrators only; one of the same name and content may be there already.

        Raises:
            UsageError: it is not well formed.
            RefusedError: the caller would get something by it, or there are too many.
            AlreadyExistsError: one of that name says something else.
        """
        wanted = parsed(message.role_binding)
        operating_log.bind_contextvars(role_binding=wanted.name)
        after = await self._change_bindings(
            lambda known: binding_changes.create(known, wanted, by=caller.principal), caller
        )
        return access_pb2.CreateRoleBindingResponse(role_binding=view(after.bindings[wanted.name]))

    async def delete_role_binding(
        self, message: access_pb2.DeleteRoleBindingRequest, caller: Caller
    ) -> access_pb2.DeleteRoleBindingResponse:
        """Delete a role binding: at the next call it gives nothing. Administrators only.

        Raises:
            NotFoundError: there never was one of that name.
            ConflictError: it is not of the version that was seen.
        """
        name, version = message.name, message.version
        operating_log.bind_contextvars(role_binding=name)
        await self._change_bindings(lambda known: binding_changes.delete(known, name, version=version), caller)
        return access_pb2.DeleteRoleBindingResponse()

    async def apply_role_bindings(
        self, message: access_pb2.ApplyRoleBindingsRequest, caller: Caller
    ) -> access_pb2.ApplyRoleBindingsResponse:
        """Make the role bindings those that are given, all or nothing. Administrators only.

        Without `prune`, bindings that are not given stay. With `dry_run` nothing is recorded.

        Raises:
            UsageError: one is not well formed, two have the same name, or `prune` would delete all.
            ConflictError: one that would be changed is not of the version that was seen.
            RefusedError: the caller would get something by one, or there are too many.
        """
        wanted = [parsed(one) for one in message.role_bindings]
        plan = Plan()

        def decide(known: RoleBindings) -> Sequence[Message]:
            nonlocal plan
            plan = binding_changes.apply(known, wanted, by=caller.principal, prune=message.prune)
            return [] if message.dry_run else plan.events

        after = await self._change_bindings(decide, caller)
        # In a dry run none has a version: it is not recorded.
        now = {one.name: replace(one, version=0) for one in wanted} if message.dry_run else after.bindings
        return access_pb2.ApplyRoleBindingsResponse(
            created=[view(now[one.name]) for one in plan.created],
            changed=[
                access_pb2.ChangedRoleBinding(before=view(there), after=view(now[there.name]))
                for there, _ in plan.changed
            ],
            deleted=[view(one) for one in plan.deleted],
            unchanged=plan.unchanged,
        )

    async def _change_bindings(
        self, decide: Callable[[RoleBindings], Sequence[Message]], caller: Caller
    ) -> RoleBindings:
        """Return the role bindings as they are after what was decided."""
        seen = RoleBindings()

        def deciding(known: RoleBindings) -> Sequence[Message]:
            nonlocal seen
            seen = known
            return decide(known)

        recorded = await self._app.aggregates.change(ROLE_BINDINGS, deciding, actor=caller.principal.subject)
        return ROLE_BINDINGS.fold(seen, recorded)

    async def create_token(
        self, message: access_pb2.CreateTokenRequest, caller: Caller
    ) -> access_pb2.CreateTokenResponse:
        """Make a token that names a member and has no rights of its own. Administrators only.

        Raises:
            UsageError: the member is not well formed, or a group.
            RefusedError: the caller is that member, or the member is not one of `local`.
        """
        member = Member.parse(message.member)
        if member == caller.principal.member:
            raise RefusedError(
                "nobody makes a token for themselves: it could outlive the one that they logged in with.",
                fix="Log in again when yours expires, or ask another administrator.",
            )
        if member.issuer != LOCAL:
            # Also a short name that is no issuer's yet: the token would count when it has become one.
            raise RefusedError(
                f"{member} is not a member of {LOCAL}: who vouches for such a name is an issuer, and no administrator.",
                fix=f"Let the member log in, or name one of {LOCAL}, as in machine:{LOCAL}:backup.",
            )
        issued = await self._app.issuing().issue_for_member(member, ttl_s=message.ttl_s, actor=caller.principal.subject)
        return access_pb2.CreateTokenResponse(token=issued.jwt, token_id=issued.id, expires_at_ms=issued.expires_at_ms)

    async def revoke_token(
        self, message: access_pb2.RevokeTokenRequest, caller: Caller
    ) -> access_pb2.RevokeTokenResponse:
        """Make a token invalid, at once and everywhere. Administrators may revoke all, members their own.

        With a token that has rights of its own, a user revokes that token alone: the token of a copy has the user's
        subject, and is in the hands of a reactor.

        Raises:
            NotFoundError: there is no such token, or it is not the caller's.
        """
        principal = caller.principal
        body = await self._app.log.get(TOKENS, message.token_id)
        if body is None or not _may_revoke(principal, events_pb2.TokenIssued.FromString(body)):
            raise NotFoundError(
                f"there is no token {message.token_id}, or it is not yours.", fix="Look at: monoctl get tokens."
            )
        await self._app.issuing().revoke(message.token_id, actor=principal.subject)
        return access_pb2.RevokeTokenResponse()

    async def forget_person(
        self, message: access_pb2.ForgetPersonRequest, _caller: Caller
    ) -> access_pb2.ForgetPersonResponse:
        """Delete the display name and the address of a member, of whom nothing else is kept. Administrators only.

        Raises:
            UsageError: the member is not well formed.
        """
        await self._app.people.forget(str(Member.parse(message.member)))
        return access_pb2.ForgetPersonResponse()


def _may_revoke(principal: Principal, issued: events_pb2.TokenIssued) -> bool:
    if principal.is_administrator or principal.token_id == issued.id:
        return True
    return principal.member is not None and issued.member == str(principal.member)
