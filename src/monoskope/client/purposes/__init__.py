"""What a client may ask for: what is sent for each purpose. `walk.results` has what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monoskope.client.purposes import delete, list_names, put, unsealed

__all__ = ["delete", "list_names", "put", "unsealed"]


def __getattr__(name: str) -> object:
    """Load the module `name`: a program that does one thing needs one of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when something is asked for

    return importlib.import_module(f"{__name__}.{name}")
