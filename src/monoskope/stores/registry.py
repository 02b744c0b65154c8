"""Finding drivers: every entry point of the group `monoskope.stores`, in any package, is a kind of store.

    [project.entry-points."monoskope.stores"]
    keepass = "my_package.keepass:KeepassStore"

No driver is imported before its kind is asked for.
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points

from monoskope.errors import Error, NotFoundError, UsageError
from monoskope.stores.driver import StoreDriver

GROUP = "monoskope.stores"


class BrokenDriverError(Error):
    """A driver is installed but cannot be used; the message names it."""


def kinds() -> list[str]:
    """Return the kinds of stores that are installed, sorted. Imports none of them."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def find(kind: str) -> type[StoreDriver]:
    """Return the driver class of `kind`.

    Raises:
        NotFoundError: none is installed under that name.
        UsageError: two packages bring a driver of that name.
        BrokenDriverError: it does not import, or is no driver of that kind.
    """
    return _load(kind, _entry_point(kind))


def _entry_point(kind: str) -> EntryPoint:
    points = {point.value: point for point in entry_points(group=GROUP) if point.name == kind}
    if not points:
        near = difflib.get_close_matches(kind, kinds(), 1)
        raise NotFoundError(
            f"no driver for stores of the kind {kind!r} is installed; there are: {', '.join(kinds())}.",
            fix=f"Did you mean {near[0]!r}?" if near else "Install the package that brings it, or correct the kind.",
        )
    if len(points) > 1:
        raise UsageError(
            f"two drivers are installed for the kind {kind!r}: {' and '.join(sorted(points))}.",
            fix="Uninstall one of them.",
        )
    return next(iter(points.values()))


def _load(kind: str, point: EntryPoint) -> type[StoreDriver]:
    try:
        found = point.load()
    except ImportError as error:
        raise BrokenDriverError(
            f"the driver for the kind {kind!r} ({point.value}) does not import: {error}.",
            fix=f"Install what it needs, for ours with: pip install 'monoskope[{kind.partition('-')[0]}]'.",
        ) from None
    except AttributeError:
        raise BrokenDriverError(
            f"the driver for the kind {kind!r} ({point.value}) is not in its module.", fix="Tell its authors."
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever a stranger's module does when it is imported
        raise BrokenDriverError(
            f"the driver for the kind {kind!r} ({point.value}) does not import: it raises {type(error).__name__}.",
            fix="Tell its authors, or install another version of it.",
        ) from None
    if not (isinstance(found, type) and issubclass(found, StoreDriver) and getattr(found, "kind", None) == kind):
        raise BrokenDriverError(
            f"{point.value} is not a store driver of the kind {kind!r}.",
            fix="Tell its authors: it must be a StoreDriver whose kind is the entry point's name.",
        )
    return found
