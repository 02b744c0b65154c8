"""What the client returns when it is asked what m8 knows. Names are those of what a put returns.

Ids are hex, times are `datetime` in UTC, days are `date`, and what m8 lists by number has its name of docs/protocol.md.
All of it is m8's word, but for what `proven` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monoskope.client.results import access, secrets, server, stores

__all__ = ["access", "secrets", "server", "stores"]


def __getattr__(name: str) -> object:
    """Load the module `name`: a program that does one thing needs one of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when something is asked for

    return importlib.import_module(f"{__name__}.{name}")
