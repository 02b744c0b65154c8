"""What a notice says, and the messages that carry notices.

A text is one line of printable ASCII, whatever a name holds, without a value, a hash, a reason that somebody wrote, or
a link. What a name could smuggle into the head of a mail is in none: titles are ours alone.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monoskope.m8.notice_settings import About, Recipient
from monoskope.text import counted
from monoskope.times import instant

MOST_NAMED = 200
"""Characters of a name at most that is not a URI."""

MOST_LINES = 50
"""Notices that a digest shows; the rest is counted."""

TITLES: dict[About, str] = {
    "expires": "a secret expires soon",
    "expired": "a secret has expired",
    "overdue": "a rotation is overdue or stuck",
    "drift": "a secret was changed past m8",
    "change": "a change waits for approvals",
    "break-glass": "somebody writes without approvals",
    "reactor": "a store has had no reactor for an hour",
    "witness": "m8 signs no checkpoint of its log",
}
"""What each notice is called: subjects of mails hold nothing else."""

ADVICE: dict[About, str] = {
    "expires": "monoctl get secrets --expiring 30d",
    "expired": "monoctl get secrets --expiring 30d",
    "overdue": "monoctl get secret URI",
    "drift": "monoctl verify secret URI",
    "change": "monoctl get changes",
    "break-glass": "monoctl get events",
    "reactor": "monoctl describe secret-store",
    "witness": "m8 log status",
}
"""The command that shows more, with proofs where there are any."""


def plain(name: str) -> str:
    """Return a name that anybody may have chosen: printable ASCII, cut."""
    shown = "".join(one if one.isascii() and one.isprintable() else f"\\u{ord(one):04x}" for one in name)
    return shown if len(shown) <= MOST_NAMED else f"{shown[:MOST_NAMED]}..."


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to look at.

    Attributes:
        about: What it is about.
        name: Of this thing, for ever: of the same thing it is the same, in every process.
        line: What it says.
        uri: Of the secret, "" for none.
        owner: The secret's label `owner`, "" for none. It is whatever somebody labelled.
    """

    about: About
    name: str
    line: str
    uri: str = ""
    owner: str = ""

    @property
    def text(self) -> str:
        """The line as it is sent: nothing in it, a URI or a name, is what mail programs make a link."""
        shown = self.line.replace("://", "[:]//").replace("@", " at ").replace("\\\\", "\\ \\")
        return re.sub(r"\.(?=\w)", "[.]", shown)

    def is_for(self, recipient: Recipient) -> bool:
        """Whether a recipient is told: a label can add one of the fixed addresses, and never take one away."""
        if self.about not in recipient.about:
            return False
        return recipient.gets_all or self.owner.lower() == recipient.address.lower()


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent at once.

    Attributes:
        id: 32 hex digits: a message that is sent again has the same.
        at_ms: When it was made, milliseconds since 1970.
        notices: What it tells; several in a digest.
    """

    id: str
    at_ms: int
    notices: Sequence[Notice]

    @property
    def title(self) -> str:
        """What it is called, of our own words alone."""
        if len(self.notices) == 1:
            return TITLES[self.notices[0].about]
        return f"{len(self.notices)} notices"

    @property
    def shown(self) -> Sequence[Notice]:
        """The notices that it shows."""
        return self.notices[:MOST_LINES]

    @property
    def lines(self) -> list[str]:
        """Its text: printable ASCII."""
        found = [*self._counts, ""] if len(self.notices) > 1 else []
        found += [notice.text for notice in self.shown]
        if (left := len(self.notices) - len(self.shown)) > 0:
            found.append(f"... and {counted(left, 'more notice')}")
        return [*found, *self._advice]

    @property
    def own_words(self) -> list[str]:
        """Its text without anything that others wrote, for a mail server that refuses `lines`."""
        what = f"m8 told this at {instant(self.at_ms)}. Your mail server refused the rest of the text."
        return [*self._counts, what, *self._advice]

    @property
    def _counts(self) -> list[str]:
        counts = Counter(notice.about for notice in self.notices)
        return [f"{count} x {TITLES[about]}" for about, count in sorted(counts.items())]

    @property
    def _advice(self) -> list[str]:
        commands = dict.fromkeys(ADVICE[about] for about in sorted({notice.about for notice in self.notices}))
        return [
            "",
            "This is m8's word. Do nothing that a mail asks for; act on what these show:",
            *(f"  {command}" for command in commands),
        ]


def message_id(log_id: str, recipient: Recipient, key: str) -> str:
    """Return the id of what a recipient is sent about `key`: 32 hex digits, the same in every process of a log."""
    parts = ("m8/notice/v1", log_id, recipient.table, recipient.address, key)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
