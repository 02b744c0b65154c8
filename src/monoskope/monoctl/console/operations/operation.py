"""One operation of the page: its request, whether values come with it, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from monoskope.monoctl.console.desk import Desk
from monoskope.value import Value


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operation is asked: a JSON object. Unknown fields are refused, and named."""


class Operation(Value, frozen=True):
    """One row of the table of operations (`monoskope.monoctl.console.operations.table`)."""

    request: type[Request]
    answer: Callable[[Desk, Any], Awaitable[object]]
    """Without values. It returns what JSON can say, and raises `monoskope.errors.Error`."""


class ValueOperation(Value, frozen=True):
    """One row that takes values, in a framed body (`monoskope.monoctl.console.serving.body`)."""

    request: type[Request]
    answer: Callable[[Desk, Any, Mapping[str, bytes]], Awaitable[object]]
    """The same, with the value of each key."""
