"""What m8 keeps of people besides their ids, and who sees it: whoever may see the id in an answer sees the name there.

So names go with answers, and no call asks for the name of an id. Addresses go to the mail server alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import msgspec

from monoskope.api.gateway.v1 import views_pb2
from monoskope.m8.issuers.person import Person
from monoskope.m8.log.event_log import EventLog

KEPT_MS = 30_000
"""How long a process remembers names: so long another process may show one that was deleted."""

MOST = 10_000
"""People whom it remembers at most."""

_PREFIX = "user:"


class People:
    """The people of one log, as one process knows them.

    Args:
        log: Where they are kept.
        ticks: Milliseconds of a monotonic clock.
    """

    def __init__(self, log: EventLog, ticks: Callable[[], float]) -> None:
        self._log = log
        self._ticks = ticks
        self._names: dict[str, str] = {}
        self._until = 0.0

    async def saw(self, member: str, person: Person) -> None:
        """Keep what the issuer says of a member who logs in; what it does not say any more is forgotten.

        Raises:
            UnavailableError: it could not be stored.
        """
        known = (await self._log.people([member])).get(member)
        said = msgspec.json.encode(person)
        if person == Person():
            if known is not None:
                await self.forget(member)
        elif said != known:
            await self._log.put_person(member, said)
            self._names.pop(member, None)

    async def forget(self, member: str) -> None:
        """Delete what is kept of a member. Raises `UnavailableError`."""
        await self._log.forget_person(member)
        self._names.pop(member, None)

    async def address(self, member: str) -> str:
        """Return the address for which the member's issuer vouched at the last login, "" for none."""
        return (await self._read([member])).get(member, Person()).address

    async def names(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the display name of each of these ids that is a member's with a name. Raises `UnavailableError`."""
        asked = {one for one in ids if one.startswith(_PREFIX)}
        if self._ticks() >= self._until or len(self._names) > MOST:
            self._names, self._until = {}, self._ticks() + KEPT_MS
        names = self._names
        if missing := asked - names.keys():
            found = await self._read(missing)
            names |= {one: found.get(one, Person()).name for one in missing}
        return {one: name for one in asked if (name := names.get(one, ""))}

    async def shown(self, ids: Iterable[str]) -> list[views_pb2.PersonName]:
        """Return the names of these ids as answers hold them, sorted."""
        return [views_pb2.PersonName(member=one, name=name) for one, name in sorted((await self.names(ids)).items())]

    async def _read(self, members: Collection[str]) -> dict[str, Person]:
        found = await self._log.people(members)
        return {member: msgspec.json.decode(body, type=Person) for member, body in found.items()}
