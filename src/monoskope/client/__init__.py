"""The client SDK: what `monoctl` itself uses.

`from monoskope.client import Client`; everything else is imported from its own module. Loaded when it is asked for, so
that a part which needs no connection pays for none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monoskope.client.client import Client
    from monoskope.client.purposes.compare import Comparison
    from monoskope.client.purposes.copy_secret import Copy
    from monoskope.client.purposes.delete import Deletion
    from monoskope.client.purposes.generate import Generated
    from monoskope.client.purposes.import_secret import Import
    from monoskope.client.purposes.put import Expect, PutResult
    from monoskope.client.purposes.verify import Verification
    from monoskope.client.settings import ClientSettings, Settings, load_settings

__all__ = [
    "Client",
    "ClientSettings",
    "Comparison",
    "Copy",
    "Deletion",
    "Expect",
    "Generated",
    "Import",
    "PutResult",
    "Settings",
    "Verification",
    "load_settings",
]

_HOMES = {
    "Client": "client",
    "ClientSettings": "settings",
    "Comparison": "purposes.compare",
    "Copy": "purposes.copy_secret",
    "Deletion": "purposes.delete",
    "Expect": "purposes.put",
    "Generated": "purposes.generate",
    "Import": "purposes.import_secret",
    "PutResult": "purposes.put",
    "Settings": "settings",
    "Verification": "purposes.verify",
    "load_settings": "settings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - only when something is asked for

    home: object = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    return home
