"""The methods of m8's API, as callers name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2

if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import access_pb2, log_pb2

R = TypeVar("R", bound=Message)

_PACKAGE = "monoskope.api.gateway.v1"


class Method(Generic[R]):
    """One method.

    Attributes:
        may_be_repeated: Whether it does no harm to call it again, at another server, after a call whose fate is
            unknown: it is a query, or its request id makes a second one the same as the first.
    """

    __slots__ = ("_answer", "_service", "may_be_repeated")

    def __init__(self, service: str, answer: Callable[[], type[R]], *, may_be_repeated: bool) -> None:
        self._service = service
        self._answer = answer
        self.may_be_repeated = may_be_repeated

    @property
    def answer(self) -> type[R]:
        """The class of its responses, made at its first use."""
        return self._answer()

    @property
    def name(self) -> str:
        """Its name in its service."""
        return self.answer.DESCRIPTOR.name.removesuffix("Response")

    @property
    def path(self) -> str:
        """Its path in URLs, `/service/name`."""
        return f"/{_PACKAGE}.{self._service}/{self.name}"

    def __repr__(self) -> str:
        return f"<Method {self.path}>"


def _command(answer: Callable[[], type[R]], *, may_be_repeated: bool = False) -> Method[R]:
    return Method("SecretCommandService", answer, may_be_repeated=may_be_repeated)


def _query(answer: Callable[[], type[R]]) -> Method[R]:
    return Method("SecretQueryService", answer, may_be_repeated=True)


REQUEST_SECRET_UPLOAD_KEY = _command(lambda: commands_pb2.RequestSecretUploadKeyResponse, may_be_repeated=True)
REQUEST_UPLOAD_SECRET = _command(lambda: commands_pb2.RequestUploadSecretResponse, may_be_repeated=True)
UPDATE_SECRET_NOTES = _command(lambda: commands_pb2.UpdateSecretNotesResponse)
CREATE_SECRET_STORE = _command(lambda: commands_pb2.CreateSecretStoreResponse)
ACTIVATE_SECRET_STORE = _command(lambda: commands_pb2.ActivateSecretStoreResponse)
DEACTIVATE_SECRET_STORE = _command(lambda: commands_pb2.DeactivateSecretStoreResponse)
SET_DEFAULT_SECRET_STORE = _command(lambda: commands_pb2.SetDefaultSecretStoreResponse)
REPLACE_SECRET_STORE_IDENTITY = _command(lambda: commands_pb2.ReplaceSecretStoreIdentityResponse)
START_FINGERPRINT_KEY_ROTATION = _command(lambda: commands_pb2.StartFingerprintKeyRotationResponse)
FINISH_FINGERPRINT_KEY_ROTATION = _command(lambda: commands_pb2.FinishFingerprintKeyRotationResponse)

GET_SECRET_UPLOAD_KEY = _query(lambda: queries_pb2.GetSecretUploadKeyResponse)
GET_SECRET_UPLOAD = _query(lambda: queries_pb2.GetSecretUploadResponse)
GET_SECRET = _query(lambda: queries_pb2.GetSecretResponse)
LIST_SECRETS = _query(lambda: queries_pb2.ListSecretsResponse)
LIST_SECRET_VERSIONS = _query(lambda: queries_pb2.ListSecretVersionsResponse)
GET_SECRET_STORE = _query(lambda: queries_pb2.GetSecretStoreResponse)
LIST_SECRET_STORES = _query(lambda: queries_pb2.ListSecretStoresResponse)
GET_SERVER = _query(lambda: queries_pb2.GetServerResponse)
LIST_EVENTS = _query(lambda: queries_pb2.ListEventsResponse)
WATCH_EVENTS = _query(lambda: queries_pb2.WatchEventsResponse)


def _checkpoint() -> type[log_pb2.GetCheckpointResponse]:
    from monoskope.api.gateway.v1 import log_pb2  # noqa: PLC0415 - loaded while the first call is under way

    return log_pb2.GetCheckpointResponse


def _upload_proof() -> type[log_pb2.GetUploadProofResponse]:
    from monoskope.api.gateway.v1 import log_pb2  # noqa: PLC0415 - few ask for a proof

    return log_pb2.GetUploadProofResponse


GET_CHECKPOINT = Method("LogService", _checkpoint, may_be_repeated=True)
GET_UPLOAD_PROOF = Method("LogService", _upload_proof, may_be_repeated=True)


def _exchanged() -> type[access_pb2.ExchangeTokenResponse]:
    from monoskope.api.gateway.v1 import access_pb2  # noqa: PLC0415 - most commands have a token

    return access_pb2.ExchangeTokenResponse


EXCHANGE_TOKEN = Method("AccessService", _exchanged, may_be_repeated=True)
"""Needs no token of m8."""
