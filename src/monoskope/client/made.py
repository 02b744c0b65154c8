"""How what is at secrets came there, and which values somebody may know: by grants and receipts of pinned identities.

Nobody has seen a value that a reactor made at random and others only copied: its hash stands in the receipt of a
GENERATE, and every later one that has it is of a put that a copy key signed. All other values somebody may know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.receipts import AT_ONCE, Checked
from monoskope.errors import Error
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.identity import COPIES_FROM
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.recipes import unknowable_keys
from monoskope.protocol.request import Request
from monoskope.value import Value

if TYPE_CHECKING:
    from monoskope.client.queries import Queries
    from monoskope.client.walk.receipts import Proofs

_OTHER = "what m8 shows as its proof is none: its last request did something else"
_PERSON = "what m8 shows as its proof is none: its grant names another person"
_DAY_MS = 86_400_000
"""A copy follows the values that it brings within seconds; the clocks of two m8 differ by less, too."""


class Made(Value, frozen=True, kw_only=True):
    """How what is at one secret came there."""

    how: str
    """The purpose of the request that brought it, "COPY" for a put that a copy made; "" where nothing proves it."""
    source: str = ""
    """Of a copy, where its values were made at random; "" where nothing proves that any was."""
    known_keys: tuple[str, ...]
    """The keys whose values somebody may know."""
    checked: Checked
    """Whether a receipt proves what is there, and the request behind it how it came there. Its grant says for whom, as
    m8 told the reactor; who signed is proven."""


class _Behind(Value, frozen=True):
    """The request behind a secret, or behind an earlier version of it."""

    checked: Checked
    request: Request | None = None
    """As its grant proves it; None where it does not."""


_Value = tuple[str, str, str]
"""Store, key and fingerprint."""


class History:
    """Asks m8 for the requests behind secrets.

    Args:
        queries: Asks m8.
        proofs: Checks what it shows.
    """

    def __init__(self, queries: Queries, proofs: Proofs) -> None:
        self._queries = queries
        self._proofs = proofs
        self._places = queries.runtime.semaphore(AT_ONCE)

    async def of(self, views: Sequence[views_pb2.Secret], *, since_ms: int) -> list[Made]:
        """Return how each came there. Values that copies brought are looked for where `views` say they were made.

        Args:
            views: Secrets that changed after `since_ms`.
            since_ms: Milliseconds since 1970: so far back, and a day, earlier versions are looked at.
        """
        found = await self._queries.runtime.gather([self._head(view) for view in views])
        origins: dict[_Value, str] = {}
        made = [view for view, behind in zip(views, found, strict=True) if _generated(behind)]
        for earlier in await self._queries.runtime.gather([self._earlier(one, since_ms - _DAY_MS) for one in made]):
            for behind in earlier:
                _note(behind, origins)
        for behind in found:
            _note(behind, origins)
        return [_made(view, behind, origins) for view, behind in zip(views, found, strict=True)]

    async def _head(self, view: views_pb2.Secret) -> _Behind:
        checked = await self._proofs.secret(view)
        if not checked.proven:
            return _Behind(checked)
        behind = await self._behind(view.request_id, view.subject)
        same = behind.checked.receipt is not None and behind.checked.receipt == checked.receipt
        return behind if same or not behind.checked.proven else _Behind(Checked(_OTHER))

    async def _earlier(self, view: views_pb2.Secret, since_ms: int) -> list[_Behind]:
        asked = []
        async for version in self._queries.secret_versions(view.uri):
            if version.recorded_at_ms < since_ms:
                break
            if version.purpose == upload_pb2.PURPOSE_GENERATE and version.request_id != view.request_id:
                asked.append(self._behind(version.request_id, version.subject))
        return await self._queries.runtime.gather(asked)

    async def _behind(self, request_id: bytes, subject: str) -> _Behind:
        await self._places.acquire()
        try:
            answer = await self._queries.upload_answer(request_id)
            checked = await self._proofs.upload(answer, request_id)
        except Error as error:
            return _Behind(Checked(f"m8 does not show its request: {error.message.removesuffix('.')}"))
        finally:
            self._places.release()
        if not checked.proven:
            return _Behind(checked)
        if answer.upload.subject != subject:
            return _Behind(Checked(_PERSON))
        return _Behind(checked, parse_grant(answer.upload.grant.content).request)


def _generated(behind: _Behind) -> bool:
    return behind.request is not None and bool(behind.request.recipes)


def _note(behind: _Behind, origins: dict[_Value, str]) -> None:
    """Note where each value was made that was made at random."""
    request, receipt = behind.request, behind.checked.receipt
    if request is None or receipt is None:
        return
    random = unknowable_keys(request.recipes)  # no other purpose has recipes
    origins |= {(request.uri.store, *value): str(request.uri) for value in receipt.values if value[0] in random}


def _made(view: views_pb2.Secret, behind: _Behind, origins: Mapping[_Value, str]) -> Made:
    request, receipt = behind.request, behind.checked.receipt
    if request is None or receipt is None:
        return Made(how="", known_keys=tuple(value.key for value in view.values), checked=behind.checked)
    sources = {key: "" for key, _ in receipt.values}
    copied = receipt.signer.startswith(COPIES_FROM)
    if copied or request.recipes:
        store = receipt.signer.removeprefix(COPIES_FROM) if copied else request.uri.store
        sources = {value[0]: origins.get((store, *value), "") for value in receipt.values}
    return Made(
        how=spelled(upload_pb2.Purpose, upload_pb2.PURPOSE_COPY if copied else request.purpose),
        source=", ".join(sorted(set(sources.values()) - {""})) if copied else "",
        known_keys=tuple(key for key, source in sources.items() if not source),
        checked=behind.checked,
    )
