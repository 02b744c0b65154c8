"""End a request whose values the engine could never take before anything is compared.

If only the write refused such values, a request would be an oracle that changes nothing: a right guess would end as
UNCHANGED and a wrong one as refused. Here both end alike. What a driver cannot know before the write counts as a guess
when the write ends (docs/adr/0007-store-drivers.md).
"""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.payload import Payload
from monoskope.protocol.request import Request
from monoskope.reactor.admission.admission import OUTSIDE_KEY_RULE, driver_options
from monoskope.reactor.reasons import FailedError, failed_by
from monoskope.stores.driver import DriverError, StoreDriver


def check_fitting(driver: StoreDriver, request: Request, payload: Payload | None) -> None:
    """Return if the engine could take `payload` as `request` has it.

    Args:
        driver: The engine's.
        request: The granted request.
        payload: What was sealed or made for it, None for nothing: then only a patch that drops keys is checked.

    Raises:
        FailedError: UNSUPPORTED, a key is outside the engine's rule; else what the driver's refusal becomes.
    """
    if payload is None and not request.remove_keys:
        return
    rule = driver.capabilities.key_rule
    if rule is not None and payload is not None and not all(rule.fullmatch(key) for key in payload):
        raise FailedError(upload_pb2.REASON_UNSUPPORTED, detail=OUTSIDE_KEY_RULE)
    if not request.rules.writes:
        return  # Nothing is written, and the options of this request do not say how the values were written.
    remove = request.remove_keys if request.rules.merges else None
    options = driver_options(driver, request)
    try:
        driver.check_payload(request.uri.path, payload, remove=remove, options=options)
    except DriverError as error:
        failure = failed_by(error)
    else:
        return
    # Raised here, so that it does not refer to the driver's error, whose frames know the values.
    raise failure
