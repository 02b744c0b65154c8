"""Editing the notes of a secret without a put. No store is asked, so what m8 then shows is its word."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.client import methods
from monoskope.client.connection import CALL_TIMEOUT_S, Connection
from monoskope.client.queries import Queries
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import check_edit, edit_message


class Editing(ABC):
    """The part of `Client` that edits notes."""

    async def edit_notes(
        self, uri: str, labels: Mapping[str, str | None] | None = None, *, expires_on: dt.date | str | None = None
    ) -> views_pb2.Secret:
        """Change labels and the day of expiry of a secret, and return what m8 shows of it then.

        m8 records who did it. No store signs it, unlike the notes of a put, which stand in its request. It takes the
        right to put the secret.

        Args:
            uri: `store://path`, or `path` in the default store.
            labels: Each label with its new value, or with None to remove it. The others stay.
            expires_on: The new day; "" removes it, None leaves it as it is.

        Raises:
            UsageError: nothing is changed, a label or a day is malformed, or there would be more than 16 labels.
            NotFoundError: m8 knows no such secret of yours, or it was deleted.
            RefusedError: you may not put it.
        """
        given = labels or {}
        day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on
        edit = check_edit(
            [(name, value) for name, value in given.items() if value is not None],
            [name for name, value in given.items() if value is None],
            day or "",
            remove_expires_on=day == "",
        )
        full, connection = await self.full_uri(uri), self._connection()
        message = commands_pb2.UpdateSecretNotesRequest(uri=full, edit=edit_message(edit))
        answer = await connection.call(methods.UPDATE_SECRET_NOTES, message, CALL_TIMEOUT_S)
        if answer.secret.uri != full:
            raise ProofError(f"asked for {full}, m8 answered with another secret")
        return answer.secret

    @property
    @abstractmethod
    def queries(self) -> Queries:
        """What m8 knows."""

    @abstractmethod
    async def full_uri(self, uri: str) -> str:
        """Return `uri` with its store."""

    @abstractmethod
    def _connection(self) -> Connection: ...
