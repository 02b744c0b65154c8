"""Private files of a driver: if one cannot be used, the driver refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from monoskope.errors import Error
from monoskope.stores.driver import StoreRefusedError


@contextlib.contextmanager
def refused() -> Iterator[None]:
    """Turn an error of `monoskope.settings` about a private file into a `StoreRefusedError`."""
    try:
        yield
    except Error as error:
        raise StoreRefusedError(error.message, fix=error.fix) from None
