"""Notes and warnings beside an answer of m8: what is not proven, and which proofs do not hold."""

from __future__ import annotations

from collections.abc import Iterable

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.proof import NO_RECEIPT, NOT_ENDED, Checked
from monoskope.monoctl.output import terminal
from monoskope.protocol.purposes import PURPOSES

M8S_WORD = "{which} m8's word alone: {why}."
"""Where nothing is proven."""
NOT_WHOSE = (
    "the receipt proves how that request ended, not that what was sealed came from you: `monoctl compare secret` tells"
    " whether your value is there."
)
"""Beside a proven end of what was sealed: this client keeps nothing of what it sent."""
_NEEDS_RIGHT = " (your token may lack the right see-hash)"


def tell(checks: Iterable[tuple[str, Checked]], *, output: str) -> None:
    """Print what is not proven, once for each reason: a false proof as a warning, the rest as a note beside tables."""
    names: dict[Checked, list[str]] = {}
    for name, checked in checks:
        if not checked.proven and checked.why_not != NOT_ENDED:
            names.setdefault(Checked(checked.why_not), []).append(name)
    for checked, those in names.items():
        why = checked.why_not + (_NEEDS_RIGHT if checked.why_not == NO_RECEIPT else "")
        which = f"{those[0]} is" if len(those) == 1 else f"{those[0]} and {len(those) - 1} more are"
        if checked.is_false:
            terminal.warn(M8S_WORD.format(which=which, why=why))
        elif output == "table":
            terminal.note(M8S_WORD.format(which=which, why=why))


def tell_whose(checked: Checked, purpose: upload_pb2.Purpose) -> None:
    """Print what a proven end leaves open."""
    receipt = checked.receipt
    succeeded = checked.proven and receipt is not None and receipt.outcome != upload_pb2.OUTCOME_FAILED
    if succeeded and PURPOSES[purpose].seals:
        terminal.note(NOT_WHOSE)
