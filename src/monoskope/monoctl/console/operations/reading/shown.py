"""Rows of kept secrets as the page shows them: with what a receipt proves, and where the same value stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from monoskope.client.walk.receipts import Checked
from monoskope.errors import Error
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.kept.row import Row
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

_AT_A_TIME = 50
"""How many receipts are checked before others have their turn."""


def proof(checked: Checked) -> Document:
    """Return `Proof`."""
    return views.proof(checked) | {"is_false": checked.is_false}


async def shown(desk: Desk, rows: Sequence[Row]) -> list[Document]:
    """Return a `Secret` for each row."""
    counts = desk.secrets.counts
    return [
        row.document | _proof(found) | {"same_elsewhere": counts.elsewhere(row)}
        for row, found in zip(rows, await checks(desk, rows), strict=True)
    ]


async def checks(desk: Desk, rows: Sequence[Row]) -> list[Checked | Error]:
    """Check the receipt of each row against the pins as they are now. A proof is remembered with its row.

    An error stands for a row that could not be checked, because m8 did not say how a store changed its identity.
    """
    proofs = desk.client.proofs
    found: list[Checked | Error] = []
    for number, row in enumerate(rows, start=1):
        checked = row.checked(proofs.pins)
        if checked is None:
            try:
                checked = await proofs.secret(row.view)
            except Error as error:
                found.append(error)
                continue
            row.remember(checked, proofs.pins)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        found.append(checked)
    return found


def _proof(found: Checked | Error) -> Document:
    if isinstance(found, Error):
        why = f"not checked: {found.message.removesuffix('.')}"
        return {"proven": False, "why_not_proven": why, "is_false": False, **views.signed(None)}
    return proof(found) | views.signed(found.receipt)
