"""The display names that m8 gave beside ids. They are its word, and nothing is decided by one (docs/access.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from google.protobuf.message import Message

if TYPE_CHECKING:
    from monoskope.api.gateway.v1 import views_pb2

MOST = 10_000
"""People whose names a client remembers at most."""


class People:
    """The names that came with m8's answers, each of the last answer that had one."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.told: Callable[[Mapping[str, str]], None] = lambda _shown: None
        """Called with those members whose names came or changed, each as `with_end` shows it."""

    def take(self, answer: Message) -> None:
        """Remember the names of people in an answer; one that may not be shown is left out, as if m8 had none."""
        people: Iterable[views_pb2.PersonName] = getattr(answer, "people", ())
        if not people:
            return
        from monoskope.protocol.people import is_display_name  # noqa: PLC0415 - most answers name nobody

        before = dict(self._names)
        for one in people:
            if not (one.member.startswith("user:") and is_display_name(one.name)):
                self._names.pop(one.member, None)
            elif one.member in self._names or len(self._names) < MOST:
                self._names[one.member] = one.name
        if changed := [member for member, _ in before.items() ^ self._names.items()]:
            self.told({member: self.with_end(member) for member in changed})

    def name(self, member: str) -> str:
        """Return the name of a member, "" if none is known."""
        return self._names.get(member, "")

    def with_end(self, member: str) -> str:
        """Return a member with the name, as tables show it (`monoskope.protocol.people.with_end`)."""
        from monoskope.protocol.people import with_end  # noqa: PLC0415 - as above

        return with_end(member, self.name(member))

    def with_id(self, member: str) -> str:
        """Return a member with the name, as it is shown where something is decided."""
        from monoskope.protocol.people import with_id  # noqa: PLC0415 - as above

        return with_id(member, self.name(member))
