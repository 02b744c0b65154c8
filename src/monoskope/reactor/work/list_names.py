"""LIST: the names directly below a URI, one page of them. No value is read, nothing is written.

What the engine holds there is foreign text: a name that cannot stand in a URI of this store is counted and not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.listing import FOLDER, Listing, page
from monoskope.protocol.receipt import Receipt, make_receipt
from monoskope.protocol.request import Request
from monoskope.reactor.work.delivery import DeliveredRequest
from monoskope.stores.driver import DriverError, Names, StoreDriver
from monoskope.uri import SecretUri, is_segment


async def list_names(driver: StoreDriver, delivered: DeliveredRequest) -> Receipt:
    """List what is directly below the request's URI and return the receipt of that. Raises `DriverError`."""
    request = delivered.grant.request
    found = await driver.list_names(request.uri.path)
    # In a thread: a driver lists up to 50,000 names, and they are looked at one by one. Nobody else's put waits for it.
    listed, more = await asyncio.to_thread(_page, driver, request, found)
    return make_receipt(
        grant=delivered.grant,
        sealed_sha256=delivered.sha256,
        signer=delivered.signer,
        signer_key=delivered.signer_key,
        outcome=upload_pb2.OUTCOME_LISTED,
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
