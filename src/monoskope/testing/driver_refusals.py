"""The old name of `monoskope.testing.drivers.refusals`, for drivers of third parties."""

from __future__ import annotations

from monoskope.testing.drivers.refusals import RefusalPromises

__all__ = ["RefusalPromises"]
