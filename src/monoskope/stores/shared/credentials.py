"""Files of credentials, whose defects a driver tells as refusals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from monoskope.errors import Error
from monoskope.stores.driver import StoreRefusedError


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Turn what `monoskope.settings` says of a private file into a `StoreRefusedError`."""
    try:
        yield
    except Error as error:
        raise StoreRefusedError(error.message, fix=error.fix) from None
