"""The purposes that write nothing: COMPARE, VERIFY, IMPORT, LIST.

COMPARE: whether what was sealed is what upstream holds, and under which keys it differs. Nothing is written.

VERIFY: whether upstream still holds what our newest receipt says, by version and, where it can be read, by content.

A version is never given twice for one place, so another version is drift, whatever its content: a put that expects what
our receipt names would not find it. Equal versions are compared by content where values can be read and the receipt has
fingerprints under the current key; otherwise the version alone decides.

IMPORT: sign a receipt for what is upstream, so that m8 knows it. Nothing is written, no value leaves the reactor.

LIST: the names directly below a URI, one page of them. No value is read, nothing is written.

What the engine holds there is foreign text: a name that cannot stand in a URI of this store is counted and not shown.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.grant import Grant
from monoskope.protocol.listing import FOLDER, Listing, page
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import Fingerprints, UndecidedError
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import NOTHING, DriverError, Names, StoreDriver
from monoskope.uri import SecretUri, is_segment


async def answer(
    upstream: Upstream, delivered: DeliveredRequest, sent: Fingerprints | None, guess: Payload | None
) -> Receipt:
    """Return the receipt of a request that only looks.

    Args:
        upstream: The engine.
        delivered: The request.
        sent: Of what was sealed.
        guess: What was sealed, if the engine can say whether what it keeps is of that.
    """
    match delivered.grant.request.purpose:
        case upload_pb2.PURPOSE_COMPARE:
            assert sent is not None, "a COMPARE seals something"
            return await compare(upstream, delivered, sent, guess)
        case upload_pb2.PURPOSE_VERIFY:
            return await verify(upstream, delivered)
        case upload_pb2.PURPOSE_IMPORT:
            return await import_secret(upstream, delivered)
        case upload_pb2.PURPOSE_LIST:
            return await list_names(upstream.driver, delivered)
        case other:
            raise AssertionError(f"no work is known for {spelled(upload_pb2.Purpose, other)}")


async def compare(
    upstream: Upstream, delivered: DeliveredRequest, sent: Fingerprints, guess: Payload | None = None
) -> Receipt:
    """Compare what is upstream with the fingerprints of what was sent, and return the receipt of that.

    Where these are not known, the engine is asked about `guess`, if there is one: about the whole, not key by key.

    Raises:
        FailedError: CANNOT_READ, what is upstream is not known; CONFLICT, it changes whenever it is looked at.
        DriverError: the engine cannot be asked.
    """
    content = await upstream.compared(delivered.grant.request)
    version = content.version
    if content.fingerprints is not None:
        found = _differences(sent, content.fingerprints)
    elif guess is not None:
        version, is_same = await upstream.driver.matches(delivered.grant.request.uri.path, guess)
        found = [] if is_same else [(key, upload_pb2.DIFFERENCE_KIND_CHANGED) for key in guess]
    else:
        raise FailedError(upload_pb2.REASON_CANNOT_READ, upstream_version=version)
    return delivered.receipt(
        upload_pb2.OUTCOME_DIFFERENT if found else upload_pb2.OUTCOME_EQUAL,
        upstream_version=version,
        differences=found,
    )


def _differences(sent: Fingerprints, there: Fingerprints) -> list[tuple[str, upload_pb2.DifferenceKind]]:
    """Return in key order where what is upstream differs from what was sent; [] if nowhere."""
    ours, theirs = dict(sent.values), dict(there.values)
    found: list[tuple[str, upload_pb2.DifferenceKind]] = []
    for key in sorted(ours.keys() | theirs.keys()):
        if key not in theirs:
            found.append((key, upload_pb2.DIFFERENCE_KIND_MISSING))
        elif key not in ours:
            found.append((key, upload_pb2.DIFFERENCE_KIND_EXTRA))
        elif not hmac.compare_digest(ours[key], theirs[key]):
            found.append((key, upload_pb2.DIFFERENCE_KIND_CHANGED))
    return found


_Found = tuple[upload_pb2.Outcome, str]


async def verify(upstream: Upstream, delivered: DeliveredRequest) -> Receipt:
    """Compare what is upstream with the newest receipt of ours that was delivered, and return the receipt of that.

    Raises:
        FailedError: CONFLICT, there is no such receipt.
        DriverError: the engine cannot be asked, or what is there under the same version cannot be read.
    """
    newest = delivered.newest
    if newest is None:
        raise FailedError(upload_pb2.REASON_CONFLICT)
    outcome, version = await _found(upstream, delivered.grant, newest)
    return delivered.receipt(
        outcome,
        upstream_version=version,
        verified_sha256=newest.sha256,
    )


async def _found(upstream: Upstream, grant: Grant, newest: Receipt) -> _Found:
    uri, deleted = grant.request.uri, newest.outcome == upload_pb2.OUTCOME_DELETED
    if not upstream.driver.capabilities.versions:
        return await _recognised(upstream, grant, newest)
    version = await upstream.driver.read_version(uri.path)
    if version == NOTHING:
        return (upload_pb2.OUTCOME_IN_SYNC if deleted else upload_pb2.OUTCOME_GONE), NOTHING
    if version != newest.upstream_version:
        return upload_pb2.OUTCOME_DRIFTED, version
    if not upstream.driver.capabilities.readable:
        return upload_pb2.OUTCOME_IN_SYNC, version
    return await _read(upstream, uri, newest)


async def _read(upstream: Upstream, uri: SecretUri, newest: Receipt) -> _Found:
    """Compare the content of the version that the receipt names."""
    try:
        content = await upstream.read(uri, newest)
    except UndecidedError as undecided:
        # Each value was read in every way in which it could have been put, and one fits the receipt in none.
        return _drift(undecided.version, newest, same=upstream.fingerprints_in(newest) is None)
    if content is None:
        return upload_pb2.OUTCOME_GONE, NOTHING
    known = upstream.fingerprints_in(newest)
    return _drift(content.version, newest, same=known is None or content.equals(known))


def _drift(version: str, newest: Receipt, *, same: bool) -> _Found:
    """Return what is said of what is there: the version that the receipt names, and with the `same` content or not."""
    in_sync = same and version == newest.upstream_version
    return (upload_pb2.OUTCOME_IN_SYNC if in_sync else upload_pb2.OUTCOME_DRIFTED), version


async def _recognised(upstream: Upstream, grant: Grant, newest: Receipt) -> _Found:
    """Compare by content alone, in an engine without versions.

    Raises:
        FailedError: CANNOT_READ, the content cannot be read, or the receipt's fingerprints are under another key.
        DriverError: the engine cannot be asked.
    """
    content = await upstream.recognised(grant.request.uri, newest)
    deleted = newest.outcome == upload_pb2.OUTCOME_DELETED
    if content.version == NOTHING:
        return (upload_pb2.OUTCOME_IN_SYNC if deleted else upload_pb2.OUTCOME_GONE), NOTHING
    if content.fingerprints is None or not (deleted or upstream.fingerprints_in(newest)):
        raise FailedError(upload_pb2.REASON_CANNOT_READ)
    return _drift(content.version, newest, same=True)


async def import_secret(upstream: Upstream, delivered: DeliveredRequest) -> Receipt:
    """Read what is upstream and return the receipt that names its version and its fingerprints.

    Raises:
        FailedError: NOT_FOUND, nothing is there.
        DriverError: the engine cannot be asked, or what is there cannot be read.
    """
    content = await upstream.read(delivered.grant.request.uri)
    if content is None:
        raise FailedError(upload_pb2.REASON_NOT_FOUND)
    assert content.fingerprints is not None, "what was read has fingerprints"
    return delivered.receipt(
        upload_pb2.OUTCOME_IMPORTED,
        upstream_version=content.version,
        fingerprint=content.fingerprints.whole,
        values=content.fingerprints.values,
    )


async def list_names(driver: StoreDriver, delivered: DeliveredRequest) -> Receipt:
    """List what is directly below the request's URI and return the receipt of that. Raises `DriverError`."""
    request = delivered.grant.request
    found = await driver.list_names(request.uri.path)
    # In a thread: a driver lists up to 50,000 names, and they are looked at one by one. Other puts do not wait for it.
    listed, more = await asyncio.to_thread(_page, driver, request, found)
    return delivered.receipt(
        upload_pb2.OUTCOME_LISTED,
        listed=listed,
        more=more,
    )


def _page(driver: StoreDriver, request: Request, found: Names) -> tuple[Listing, bool]:
    shown = {*_secrets(driver, request.uri, found), *_folders(request.uri, found)}
    unaddressable = len(set(found.names)) + len(set(found.folders)) - len(shown) + found.others
    return page(shown, request.list_after, unaddressable)


def _secrets(driver: StoreDriver, uri: SecretUri, found: Names) -> Iterator[str]:
    for name in found.names:
        below = _below(uri, name)
        if below is not None and _takes(driver, below):
            yield name


def _folders(uri: SecretUri, found: Names) -> Iterator[str]:
    """A folder is shown if there is room in a URI for a secret in it."""
    for name in found.folders:
        below = _below(uri, name)
        if below is not None and _below(below, "s") is not None:
            yield name + FOLDER


def _below(uri: SecretUri, name: str) -> SecretUri | None:
    if not is_segment(name):
        return None
    try:
        return SecretUri.parse(f"{uri}/{name}")
    except UsageError:
        return None


def _takes(driver: StoreDriver, uri: SecretUri) -> bool:
    """Whether the driver takes the path: there may be names that are none of its secrets."""
    try:
        driver.check(uri.path, None)
    except DriverError:
        return False
    return True
