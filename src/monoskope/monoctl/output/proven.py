"""Notes and warnings beside an answer of m8: what is not proven, and which proofs do not hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.receipts import NO_RECEIPT, NOT_ENDED, Checked
from monoskope.errors import Error
from monoskope.monoctl.output import terminal
from monoskope.protocol.purposes import PURPOSES

M8S_WORD = "{which} m8's word alone: {why}."
"""Where nothing is proven."""
NOT_WHOSE = (
    "the receipt proves how that request ended, not that what was sealed came from you: `monoctl compare secret` tells"
    " whether your value is there."
)
"""Beside a proven end of what was sealed: this client keeps nothing of what it sent."""
OTHER_KEY = "it was signed with {key}; {own}."
"""Beside a request that another key signed than the caller's."""
_NEEDS_RIGHT = " (your token may lack the right see-hash)"


def tell(checks: Iterable[tuple[str, Checked]], *, notes: bool) -> None:
    """Print what is not proven, once for each reason: a false proof as a warning, the rest with `notes` as a note."""
    names: dict[Checked, list[str]] = {}
    for name, checked in checks:
        if not checked.proven and checked.why_not != NOT_ENDED:
            names.setdefault(Checked(checked.why_not), []).append(name)
    for checked, those in names.items():
        why = checked.why_not + (_NEEDS_RIGHT if checked.why_not == NO_RECEIPT else "")
        which = f"{those[0]} is" if len(those) == 1 else f"{those[0]} and {len(those) - 1} more are"
        if checked.is_false:
            terminal.warn(M8S_WORD.format(which=which, why=why))
        elif notes:
            terminal.note(M8S_WORD.format(which=which, why=why))


def tell_whose(checked: Checked, purpose: upload_pb2.Purpose) -> None:
    """Print what a proven end leaves open."""
    receipt = checked.receipt
    succeeded = checked.proven and receipt is not None and receipt.outcome != upload_pb2.OUTCOME_FAILED
    # Of a signed request the key that signed says from whom it came.
    if succeeded and receipt is not None and not receipt.signer and PURPOSES[purpose].seals:
        terminal.note(NOT_WHOSE)


def tell_signer(checked: Checked, signing_key: str) -> None:
    """Print with whose key a request was signed, if that is not the caller's own key.

    Args:
        checked: What was checked.
        signing_key: The caller's setting; "" without one.
    """
    receipt = checked.receipt
    if not checked.proven or receipt is None or not receipt.signer:
        return
    from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - for signed requests alone

    own = ""
    with contextlib.suppress(Error):  # a key that cannot be read is not the one that signed
        own = signer_of(signing_key).public().shown if signing_key else ""
    if receipt.signer_key != own:
        terminal.note(OTHER_KEY.format(key=receipt.signer_key, own=f"yours is {own}" if own else "you have set none"))
