"""The old name of `monoskope.testing.drivers.harness`, for drivers of third parties."""

from __future__ import annotations

from monoskope.testing.drivers.harness import NEIGHBOURS, NOT_TEXT, Harness, Path, over, shows, tag

__all__ = ["NEIGHBOURS", "NOT_TEXT", "Harness", "Path", "over", "shows", "tag"]
