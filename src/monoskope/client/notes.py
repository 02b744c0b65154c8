"""The notes that go with a put: labels and a day of expiry, given, cleared, or kept as they are. Not secret.

Only the request tells m8 to keep them, and parts of before that field refuse such a request. So keeping is asked for
where all reactors of the store know it: they announce it, and an m8 that does not know the field drops it from what
they announced. Elsewhere the notes that m8 shows are sent again, which is the same unless somebody changes them
meanwhile.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from monoskope.api.gateway.v1 import views_pb2
from monoskope.client.queries import Queries
from monoskope.client.target import Target
from monoskope.errors import NotFoundError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.notes import Labels, check_day, check_labels, labels_of
from monoskope.value import Value

SENT_AGAIN = (
    "{uri}: m8, or a reactor of its store, is too old to keep notes. So the put sends again what m8 says they are:"
    " {words}."
)
"""What a user is told whose own request then has what only m8 said."""


class Notes(Value, frozen=True):
    """What a put says about labels and day of expiry."""

    labels: Labels = ()
    expires_on: str = ""
    keep_labels: bool = False
    keep_expires_on: bool = False

    @classmethod
    def check(cls, labels: Mapping[str, str] | None, expires_on: dt.date | str | None) -> Notes:
        """Return them checked; None keeps, an empty value clears. Raises `UsageError`."""
        day = expires_on.isoformat() if isinstance(expires_on, dt.date) else expires_on or ""
        return cls(
            labels=check_labels((labels or {}).items()),
            expires_on=check_day(day) if day else "",
            keep_labels=labels is None,
            keep_expires_on=expires_on is None,
        )

    async def at(self, target: Target, queries: Queries, notify: Callable[[str], None]) -> Notes:
        """Return them as `target`'s store understands them: without keeping, if a part is too old for that.

        What is then sent again is m8's word, in the user's own request: `notify` is told what it is.

        Raises:
            ProofError: m8 shows another secret.
            Error: m8 does not answer; nothing was sent.
        """
        if not (self.keep_labels or self.keep_expires_on) or knows_keeping(target.store):
            return self
        try:
            shown = await queries.secret(str(target.uri))
        except NotFoundError:
            shown = views_pb2.Secret(deleted=True)
        else:
            if shown.uri != str(target.uri):
                raise ProofError(f"asked for {target.uri}, m8 answered with another secret")
        present = views_pb2.Secret() if shown.deleted else shown
        taken = Notes(
            labels=check_labels(labels_of(present.labels)) if self.keep_labels else self.labels,
            expires_on=present.expires_on if self.keep_expires_on else self.expires_on,
        )
        words = [f"{name}={value}" for name, value in taken.labels if self.keep_labels]
        words += [f"the day {taken.expires_on}"] if self.keep_expires_on and taken.expires_on else []
        if words:
            notify(SENT_AGAIN.format(uri=target.uri, words=", ".join(words)))
        return taken


def knows_keeping(store: views_pb2.SecretStore) -> bool:
    """Whether m8 and every attached reactor of a store know a request that keeps notes."""
    attached = [reactor.capabilities for reactor in store.reactors if reactor.attached]
    return bool(attached) and all(can.keeps_notes for can in attached)
