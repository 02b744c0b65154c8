"""`/healthz`, `/readyz` and `/metrics` at the HTTP door. They are made at most once in a second, whoever asks."""

from __future__ import annotations

import asyncio

from monoskope import operating_log
from monoskope.errors import Error, RefusedError
from monoskope.event_loop import heeded
from monoskope.http.messages import Response
from monoskope.m8.http import refused
from monoskope.m8.methods import calls
from monoskope.m8.methods.calls import Arrival
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from monoskope.operations import Answer, Handler

FRESH_S = 1.0
"""An answer serves everybody who asks within so many seconds: strangers must not keep m8 and its database busy."""


class Operations:
    """Answers whoever operates m8.

    Args:
        app: The process.
        endpoints: What answers.
    """

    def __init__(self, app: App, endpoints: Endpoints) -> None:
        self._app = app
        self._shared = {path: _Shared(handler) for path, handler in endpoints.handlers.items()}

    def __contains__(self, path: str) -> bool:
        return path in self._shared

    async def answer(self, path: str, arrival: Arrival) -> Response:
        """Answer a GET of one of its paths.

        The metrics name the stores, and how much each user's calls are; so they are for administrators.
        """
        if path == "/metrics" and (error := await self._refusal(arrival)) is not None:
            return refused.response(error)
        try:
            found = await self._shared[path].answer()
        except Exception as error:  # noqa: BLE001  a defect is told by its type and place, and ends nothing else
            operating_log.error("defect", error)
            return refused.plain(500, "internal", "m8 has a defect.")
        return Response(found.status, (("Content-Type", found.content_type),), found.body)

    async def _refusal(self, arrival: Arrival) -> Error | None:
        """Return why the caller may not read the metrics, without the frames that hold the token."""
        try:
            principal = await calls.principal_of(self._app, arrival)
        except Error as error:
            return calls.without_frames(error)
        if principal.is_administrator:
            return None
        return RefusedError("metrics are for administrators.", fix="Use the token of an administrator.")


class _Shared:
    """One answer for all who ask within a second, and for all who ask while it is made."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._made: asyncio.Future[Answer] | None = None
        self._until = 0.0

    async def answer(self) -> Answer:
        now = asyncio.get_running_loop().time()
        if self._made is None or (self._made.done() and now >= self._until):
            self._made = asyncio.ensure_future(self._handler())
            heeded(self._made)
            self._until = now + FRESH_S
        # The caller that asked first may hang up; the others still wait for it.
        return await asyncio.shield(self._made)
