"""Which messages of a driver may leave the reactor: sentences that are on a list, and nothing that only looks like one.

A driver's message is a fixed sentence by contract. What a receipt carries m8 keeps for ever and users see, so the
contract alone is not enough: a driver with a defect could put a value, or its engine's text, into a message. So only
what is on the list goes out, with a key's name or a number at most in the gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from monoskope.protocol.detail import is_detail
from monoskope.stores.shared.sentences import TOLD

_GAP = "{}"
_FILLED = "[A-Za-z0-9_./-]{1,100}"
"""What may stand in a gap: the name of a key, a number, or a type such as kubernetes.io/tls."""


class Sentences:
    """The sentences of one driver.

    Args:
        more: Sentences besides those that come with Monoskope (`StoreDriver.sentences`).
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        known = sorted(TOLD | set(more))
        self._known = re.compile("|".join(_FILLED.join(map(re.escape, one.split(_GAP))) for one in known), re.ASCII)

    def told(self, message: str) -> str:
        """Return `message` if it is one of the sentences, else ""."""
        return message if is_detail(message) and self._known.fullmatch(message) else ""
