"""The operations of the console, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monoskope.monoctl.console.operation import Operation, ValueOperation
from monoskope.monoctl.console.operations import whoami

OPERATIONS: Mapping[str, Operation | ValueOperation] = MappingProxyType(
    {
        "whoami": Operation(whoami.Whoami, whoami.answer),
    }
)
"""What `POST /api/<name>` calls. `begin` and `live` are the server's own."""
