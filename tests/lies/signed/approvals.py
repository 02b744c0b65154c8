"""What a store signs of changes and broken glass: it proves nothing to who asked for something else."""

from __future__ import annotations

from functools import partial

from monoskope.errors import Code
from tests.lies.lie import WRITING, Step
from tests.lies.signed.row import SignedLie, ends, rewritten

unknown = partial(
    SignedLie, Step.RECEIPT, code=Code.OUTCOME_UNKNOWN, purposes=tuple(one for one in WRITING if one != "copy")
)
of_signed = partial(unknown, signs=True)

LIES = (
    of_signed("a change that nobody asked for", ends(rewritten(change_sha256=b"c" * 32)), "another change"),
    of_signed("a glass that nobody broke", ends(rewritten(break_glass="m8 says so")), "the glass was broken"),
    of_signed(
        "a change and a broken glass", ends(rewritten(change_sha256=b"c" * 32, break_glass="m8 says so")), "malformed"
    ),
    unknown("a change of what nobody signed", ends(rewritten(change_sha256=b"c" * 32)), "malformed"),
    unknown("a broken glass of what nobody signed", ends(rewritten(break_glass="m8 says so")), "malformed"),
)
