"""Who may do what, for administrators and auditors: it is shown, and changed in the terminal."""

from __future__ import annotations

from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Nothing
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_NO_PREFIX: Document = {"prefix": "", "rights": []}


async def role_bindings(desk: Desk, _asked: Nothing) -> Document:
    """Answer every role binding, by name."""
    found = await desk.client.access.role_bindings()
    return {"role_bindings": [_NO_PREFIX | views.role_binding(one) for one in found]}
