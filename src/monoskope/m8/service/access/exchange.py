"""The exchange of a token of another issuer for one of m8 (RFC 8693)."""

from __future__ import annotations

from monoskope.api.gateway.v1 import access_pb2
from monoskope.errors import RefusedError
from monoskope.m8.service.app import App, Stranger


class TokenExchange:
    """The part of `AccessService` that needs no token of m8."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def exchange_token(
        self, _message: access_pb2.ExchangeTokenRequest, _stranger: Stranger
    ) -> access_pb2.ExchangeTokenResponse:
        """Return m8's own token for the member that a token of a configured issuer names.

        Raises:
            RefusedError: no issuer is configured.
        """
        raise RefusedError(
            "no issuer is configured on this m8.", fix="Use a token that an administrator of m8 made for you."
        )
