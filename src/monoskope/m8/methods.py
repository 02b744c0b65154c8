"""The methods of the services in `proto/`, each with its rules and its handler; one that lacks them is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple, TypeAlias

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2, reactor_pb2
from monoskope.m8.queries.access import AccessQueries
from monoskope.m8.queries.changes import ChangeQueries
from monoskope.m8.queries.events import Events
from monoskope.m8.queries.people import with_names
from monoskope.m8.queries.queries import Queries
from monoskope.m8.queries.witnessed import LogQueries
from monoskope.m8.service.administration import Administration
from monoskope.m8.service.app import App
from monoskope.m8.service.changes import ChangeCommands
from monoskope.m8.service.commands import Commands
from monoskope.m8.service.exchange import TokenExchange
from monoskope.m8.service.policy import Needs
from monoskope.m8.service.reactors import Reactors

_COMMANDS = commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"]
_QUERIES = queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"]
_REACTORS = reactor_pb2.DESCRIPTOR.services_by_name["ReactorService"]
_ACCESS = access_pb2.DESCRIPTOR.services_by_name["AccessService"]
_LOG = log_pb2.DESCRIPTOR.services_by_name["LogService"]
_CHANGES = changes_pb2.DESCRIPTOR.services_by_name["SecretChangeService"]
_SERVICES = (_COMMANDS, _QUERIES, _REACTORS, _ACCESS, _LOG, _CHANGES)

SERVICES: tuple[str, ...] = tuple(service.full_name for service in _SERVICES)
"""Full names of the services."""

MAX_LOGIN = 65_536
"""Bytes of a reactor's first message at most: the most capabilities and the most rotations take half of that."""

MAX_APPEND = 262_144
"""Bytes of every later message of a reactor at most: the largest receipt and what belongs to it."""

MAX_MESSAGE = 1_138_688
"""Bytes in a request at most that holds a sealed secret, or role bindings: a megabyte, a change with eight approvals,
and what belongs to it."""

MAX_EXCHANGE = 20_480
"""Bytes in the request of a stranger at most: a token of 16,384 characters and what belongs to it."""

_PARTS = (
    Commands,
    Queries,
    Events,
    Reactors,
    Administration,
    AccessQueries,
    LogQueries,
    TokenExchange,
    ChangeCommands,
    ChangeQueries,
)
"""The use cases: each method of the API is one of one of them."""

_Handler: TypeAlias = Callable[..., Any]
"""Static types cannot express that a handler's types follow from its method's."""


class Kind(Enum):
    """How the messages of a call follow each other."""

    UNARY = auto()
    """A request, a response."""
    STREAMING = auto()
    """A request, then responses."""
    ATTACHING = auto()
    """Requests and responses, both as they come: a reactor's session."""


class Places(Enum):
    """Which places a call holds while it runs, so that one user's many calls do not delay others."""

    NONE = auto()
    WAITING = auto()
    """It may wait for a reactor. Where a request may be large, these places are fewer (`calls.admitted`)."""
    ONE_AT_A_TIME = auto()
    """A subject has one at a time. A listing can read thousands of documents."""


class _Rules(NamedTuple):
    needs: Needs
    most_request: int
    places: Places = Places.NONE


_RULES: Mapping[str, _Rules] = {
    "RequestSecretUploadKey": _Rules(Needs.RIGHT, 25_600, Places.WAITING),
    "RequestUploadSecret": _Rules(Needs.RIGHT, MAX_MESSAGE, Places.WAITING),
    # An edit of notes waits for no reactor, so many of them would fill the log as fast as it takes them.
    "UpdateSecretNotes": _Rules(Needs.RIGHT, 16_384, Places.ONE_AT_A_TIME),
    "CreateSecretStore": _Rules(Needs.ADMINISTRATOR, 1_024),
    "ActivateSecretStore": _Rules(Needs.ADMINISTRATOR, 1_024),
    "DeactivateSecretStore": _Rules(Needs.ADMINISTRATOR, 1_024),
    "SetDefaultSecretStore": _Rules(Needs.ADMINISTRATOR, 1_024),
    "ReplaceSecretStoreIdentity": _Rules(Needs.ADMINISTRATOR, 1_024),
    "StartFingerprintKeyRotation": _Rules(Needs.ADMINISTRATOR, 1_024),
    "FinishFingerprintKeyRotation": _Rules(Needs.ADMINISTRATOR, 1_024),
    "GetSecretUploadKey": _Rules(Needs.TOKEN, 1_024, Places.WAITING),
    "GetSecretUpload": _Rules(Needs.TOKEN, 1_024, Places.WAITING),
    "GetSecret": _Rules(Needs.TOKEN, 4_096),
    "ListSecrets": _Rules(Needs.TOKEN, 32_768, Places.ONE_AT_A_TIME),
    "ListSecretVersions": _Rules(Needs.TOKEN, 8_192, Places.ONE_AT_A_TIME),
    "GetSecretStore": _Rules(Needs.TOKEN, 1_024, Places.ONE_AT_A_TIME),
    "ListSecretStores": _Rules(Needs.TOKEN, 8_192, Places.ONE_AT_A_TIME),
    "ListEvents": _Rules(Needs.TOKEN, 16_384, Places.ONE_AT_A_TIME),
    "WatchEvents": _Rules(Needs.TOKEN, 4_096),
    "GetServer": _Rules(Needs.TOKEN, 1_024),
    "Attach": _Rules(Needs.NOTHING, MAX_APPEND),
    "ExchangeToken": _Rules(Needs.NOTHING, MAX_EXCHANGE),
    "WhoAmI": _Rules(Needs.TOKEN, 1_024),
    "CanI": _Rules(Needs.TOKEN, 4_096),
    "WhoCan": _Rules(Needs.SEES_ALL, 4_096, Places.ONE_AT_A_TIME),
    "ListRoleBindings": _Rules(Needs.SEES_ALL, 1_024),
    "CreateRoleBinding": _Rules(Needs.ADMINISTRATOR, 49_152, Places.ONE_AT_A_TIME),
    "DeleteRoleBinding": _Rules(Needs.ADMINISTRATOR, 1_024, Places.ONE_AT_A_TIME),
    "ApplyRoleBindings": _Rules(Needs.ADMINISTRATOR, MAX_MESSAGE, Places.ONE_AT_A_TIME),
    "CreateToken": _Rules(Needs.ADMINISTRATOR, 2_048, Places.ONE_AT_A_TIME),
    "ListTokens": _Rules(Needs.SEES_ALL, 2_048, Places.ONE_AT_A_TIME),
    "RevokeToken": _Rules(Needs.TOKEN, 1_024),
    "ForgetPerson": _Rules(Needs.ADMINISTRATOR, 1_024),
    "GetCheckpoint": _Rules(Needs.TOKEN, 1_024),
    "GetUploadProof": _Rules(Needs.TOKEN, 1_024, Places.ONE_AT_A_TIME),
    # As of an edit of notes: none of these waits for a reactor.
    "ProposeSecretChange": _Rules(Needs.RIGHT, 16_384, Places.ONE_AT_A_TIME),
    "ApproveSecretChange": _Rules(Needs.RIGHT, 16_384, Places.ONE_AT_A_TIME),
    "DeclineSecretChange": _Rules(Needs.RIGHT, 8_192, Places.ONE_AT_A_TIME),
    "WithdrawSecretChange": _Rules(Needs.TOKEN, 1_024, Places.ONE_AT_A_TIME),
    # Of one change it may wait. Its pages are made one at a time all the same.
    "GetSecretChanges": _Rules(Needs.TOKEN, 8_192, Places.WAITING),
}
"""What each method needs, how many bytes its request may have, and the places that a call of it holds."""

WITHOUT_TOKEN = frozenset({name for name, rules in _RULES.items() if rules.needs is Needs.NOTHING} - {"Attach"})
"""Methods that need no token. `Attach` has a login of its own."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        service: The full name of its service.
        name: Its name there.
        kind: How its messages follow each other.
        request: The class of its requests.
        response: The class of its responses.
        handler: UNARY: a coroutine function of a request and a `Caller`, or a `Stranger` where no token is needed, that
            returns the response. STREAMING: an async generator function of the same that yields responses. ATTACHING:
            `Reactors.attach`.
        needs: What its caller needs.
        most_request: How many bytes a request may have.
        places: The places that a call of it holds.
    """

    service: str
    name: str
    kind: Kind
    request: type[Message]
    response: type[Message]
    handler: _Handler
    needs: Needs
    most_request: int
    places: Places

    @property
    def path(self) -> str:
        """Its path in URLs, `/service/name`."""
        return f"/{self.service}/{self.name}"


_KINDS = {(False, False): Kind.UNARY, (False, True): Kind.STREAMING, (True, True): Kind.ATTACHING}


def methods(app: App) -> Mapping[str, Method]:
    """Return every method of every service, by its path: its handler has its name, `can_i` for `CanI`."""
    parts = [part(app) for part in _PARTS]
    found = [
        Method(
            service.full_name,
            method.name,
            _KINDS[method.client_streaming, method.server_streaming],
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            with_names(app, method.name, _handler(parts, method.name)),
            *_RULES[method.name],
        )
        for service in _SERVICES
        for method in service.methods
    ]
    return {method.path: method for method in found}


def _handler(parts: Sequence[object], name: str) -> _Handler:
    attribute = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    found: list[_Handler] = [getattr(part, attribute) for part in parts if hasattr(part, attribute)]
    (handler,) = found
    return handler
