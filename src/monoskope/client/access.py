"""Who may do what: questions about rights, and what administrators do to role bindings and tokens."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2
from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.http.methods import Method
from monoskope.client.queries import pages
from monoskope.client.results import moment
from monoskope.client.results.access import (
    AllowedMember,
    Applied,
    ChangedRoleBinding,
    NewToken,
    Permission,
    RoleBinding,
    Token,
    WhoAmI,
    right_named,
)
from monoskope.errors import UsageError
from monoskope.protocol.login import Member
from monoskope.uri import UriPrefix

R = TypeVar("R", bound=Message)


def _method(answer: Callable[[], type[R]], *, may_be_repeated: bool = True) -> Method[R]:
    return Method("AccessService", answer, may_be_repeated=may_be_repeated)


_WHO_AM_I = _method(lambda: access_pb2.WhoAmIResponse)
_CAN_I = _method(lambda: access_pb2.CanIResponse)
_WHO_CAN = _method(lambda: access_pb2.WhoCanResponse)
_LIST_ROLE_BINDINGS = _method(lambda: access_pb2.ListRoleBindingsResponse)
# The same again changes nothing.
_CREATE_ROLE_BINDING = _method(lambda: access_pb2.CreateRoleBindingResponse)
_DELETE_ROLE_BINDING = _method(lambda: access_pb2.DeleteRoleBindingResponse)
_REVOKE_TOKEN = _method(lambda: access_pb2.RevokeTokenResponse)
# The answer says what changed, and a second one would say that nothing did.
_APPLY_ROLE_BINDINGS = _method(lambda: access_pb2.ApplyRoleBindingsResponse, may_be_repeated=False)
# A second call makes a second token.
_CREATE_TOKEN = _method(lambda: access_pb2.CreateTokenResponse, may_be_repeated=False)
_FORGET_PERSON = _method(lambda: access_pb2.ForgetPersonResponse)
_LIST_TOKENS = _method(lambda: access_pb2.ListTokensResponse)


class Access:
    """Questions about rights, and the administrators' commands for them. Each raises what m8 answers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def who_am_i(self) -> WhoAmI:
        """Return who the caller is to m8, and what the caller may do now."""
        return WhoAmI.of(await self._call(_WHO_AM_I, access_pb2.WhoAmIRequest()))

    async def can_i(self, right: str, uri: str, *, member: str = "") -> Permission:
        """Return whether the caller may do something.

        Args:
            right: "put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "list", "propose" or
                "approve".
            uri: A secret's URI, or a URI prefix for everything below it.
            member: Ask about this member, `kind:issuer:name`, by what role bindings give it by name; m8 does not know
                the groups of one who does not call. For administrators and auditors.

        Raises:
            UsageError: one of these is not well formed.
            RefusedError: the caller may not ask about that member.
        """
        request = access_pb2.CanIRequest(
            right=right_named(right), uri=_place(uri), member=str(Member.parse(member)) if member else ""
        )
        answer = await self._call(_CAN_I, request)
        return Permission(answer.allowed, tuple(answer.role_bindings))

    async def who_can(self, right: str, uri: str) -> list[AllowedMember]:
        """Return who may do something, sorted by member. For administrators and auditors. Arguments as `can_i`."""
        answer = await self._call(_WHO_CAN, access_pb2.WhoCanRequest(right=right_named(right), uri=_place(uri)))
        return [AllowedMember(one.member, one.role_binding, one.token_id) for one in answer.members]

    async def role_bindings(self) -> list[RoleBinding]:
        """Return the role bindings, sorted by name. For administrators and auditors."""
        answer = await self._call(_LIST_ROLE_BINDINGS, access_pb2.ListRoleBindingsRequest())
        return [RoleBinding.of(view) for view in answer.role_bindings]

    async def create_role_binding(self, binding: RoleBinding) -> RoleBinding:
        """Add a role binding, and return it as m8 has it. The same again changes nothing. For administrators.

        Raises:
            UsageError: it breaks a rule.
            RefusedError: the caller is no administrator, or the binding names the caller or a group of the caller.
            AlreadyExistsError: one of that name says something else.
        """
        request = access_pb2.CreateRoleBindingRequest(role_binding=binding.message())
        return RoleBinding.of((await self._call(_CREATE_ROLE_BINDING, request)).role_binding)

    async def delete_role_binding(self, name: str, *, version: int = 0) -> None:
        """Delete a role binding: it gives nothing from the next call on. For administrators.

        Args:
            name: Its name.
            version: The one that was seen; 0 for whichever is there.

        Raises:
            NotFoundError: there never was one of that name.
            ConflictError: it was changed since.
        """
        await self._call(_DELETE_ROLE_BINDING, access_pb2.DeleteRoleBindingRequest(name=name, version=version))

    async def apply_role_bindings(
        self, bindings: Sequence[RoleBinding], *, prune: bool = False, dry_run: bool = False
    ) -> Applied:
        """Make the role bindings those that are given, all or nothing, and return what changed. For administrators.

        One that has a `version` is changed if it is still of that version. For one that has none, this call looks
        first which version is there.

        Args:
            bindings: At most 1,000.
            prune: Whether those that are not given are deleted.
            dry_run: Whether only to say what would change.

        Raises:
            ConflictError: one was changed, created or deleted since it was looked at; nothing was changed.
            Error: as `create_role_binding`; nothing was changed.
        """
        there = {} if all(one.version for one in bindings) else {one.name: one for one in await self.role_bindings()}
        wanted = [one.message() for one in bindings]
        for one in wanted:
            if not one.version and one.name in there:
                one.version = there[one.name].version
        request = access_pb2.ApplyRoleBindingsRequest(role_bindings=wanted, prune=prune, dry_run=dry_run)
        answer = await self._call(_APPLY_ROLE_BINDINGS, request)
        return Applied(
            tuple(map(RoleBinding.of, answer.created)),
            tuple(ChangedRoleBinding(RoleBinding.of(one.before), RoleBinding.of(one.after)) for one in answer.changed),
            tuple(map(RoleBinding.of, answer.deleted)),
            answer.unchanged,
        )

    async def create_token(self, member: str, *, ttl: dt.timedelta) -> NewToken:
        """Make a token that names a member; what it may do, role bindings say. For administrators.

        Args:
            member: A user or a machine whose short name of an issuer is `local`, such as `machine:local:backup`.
            ttl: How long it is valid, up to 366 days.

        Raises:
            UsageError: one of these is not well formed.
            RefusedError: the caller is no administrator, or is that member, or the member is not one of `local`.
        """
        seconds = int(ttl.total_seconds())
        if not 1 <= seconds <= 366 * 86_400:
            raise UsageError(
                "a token lives from one second to 366 days.", fix="Choose a shorter time, for example 30d."
            )
        request = access_pb2.CreateTokenRequest(member=str(Member.parse(member)), ttl_s=seconds)
        answer = await self._call(_CREATE_TOKEN, request)
        return NewToken(answer.token, answer.token_id, moment(answer.expires_at_ms))

    async def tokens(self) -> AsyncGenerator[Token]:
        """Yield what m8 knows of every token that was ever made, by id. For administrators and auditors.

        Raises:
            UnavailableError: the pages have no end, or lead back to one that was there.
        """
        async for page in pages(self._connection, _LIST_TOKENS, access_pb2.ListTokensRequest(page_size=1_000)):
            for view in page.tokens:
                yield Token.of(view)

    async def revoke_token(self, token_id: str) -> None:
        """Make a token invalid, at once. Administrators may revoke all, others their own.

        Raises:
            NotFoundError: there is no such token, or it is not the caller's.
        """
        await self._call(_REVOKE_TOKEN, access_pb2.RevokeTokenRequest(token_id=token_id))

    async def forget_person(self, member: str) -> None:
        """Delete the display name and the address that m8 keeps of a member. For administrators.

        Raises:
            RefusedError: the caller is no administrator.
        """
        await self._call(_FORGET_PERSON, access_pb2.ForgetPersonRequest(member=str(Member.parse(member))))

    async def _call(self, method: Method[R], request: Message) -> R:
        return await self._connection.call(method, request, CALL_TIMEOUT_S)


def _place(uri: str) -> str:
    """Return a URI or a prefix that is one: what was typed by mistake never leaves this machine."""
    return str(UriPrefix.parse(uri))
