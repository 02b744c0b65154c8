"""ROLLBACK: read an earlier version, to write its content as a new one. No value comes from outside or leaves."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.request import Request
from monoskope.reactor.reasons import FailedError
from monoskope.stores.driver import StoreDriver


async def earlier_content(driver: StoreDriver, request: Request) -> Payload:
    """Return the content of the version that is to be there again.

    Raises:
        FailedError: CANNOT_READ, the engine never had that version at this place, or does not keep it.
        DriverError: the engine cannot be asked, or the version cannot be read back.
    """
    snapshot = await driver.read_at(request.uri.path, request.to_version)
    if snapshot is None or snapshot.version != request.to_version:
        raise FailedError(upload_pb2.REASON_CANNOT_READ)
    return snapshot.payload
