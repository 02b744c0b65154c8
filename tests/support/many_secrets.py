"""A real m8 whose log holds so many secrets, seeded in seconds: the same records as those of `make bench-scale`."""

from __future__ import annotations

from pathlib import Path

from bench.scale import seed, world

USER = "user-0"
"""The user who may see all of them: below `<world>/user-0` lie the token and the settings."""


def lay_out(folder: Path, count: int) -> Path:
    """Make a world below `folder` with so many secrets in its log, all put through one store, and return its folder.

    Every secret has its five events and a receipt that the store's real identity signed; a few were deleted, drifted or
    are out of sync (`bench.scale.records`). `running` starts it.
    """
    return seed.sqlite(folder, count).folder


def running(home: Path) -> world.World:
    """Return the world in `home`; as a context manager it runs m8 and the store's reactor."""
    return world.World(home)
