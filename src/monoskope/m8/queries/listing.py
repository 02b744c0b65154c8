"""Listing secrets: filters, pages, and a limit for the work of one call."""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.queries.paging import make_token, page_size, read_token
from monoskope.m8.queries.visible import VisibleScope, page
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.protocol.notes import Labels, check_day, check_labels, has_labels, labels_of
from monoskope.uri import check_store_name

LOOKED_AT = 5_000
"""How many secrets one call reads. If too few of them pass the filter, the page is short and the next one goes on."""

_STEP = 500
_OUT_OF_SYNC = frozenset({upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE})


@dataclass(frozen=True, slots=True)
class Filter:
    """What was asked for."""

    store: str
    subject: str
    state: views_pb2.SecretState
    expiring_before: str
    labels: Labels

    @classmethod
    def parse(cls, message: queries_pb2.ListSecretsRequest) -> Filter:
        """Return the filter in `message`. Raises `UsageError` for a bad store name, day or label."""
        if message.store:
            check_store_name(message.store)
        if message.expiring_before:
            check_day(message.expiring_before)
        labels = check_labels(labels_of(message.labels))
        return cls(message.store, message.subject, message.state, message.expiring_before, labels)

    @property
    def scope(self) -> str:
        """What page tokens are bound to: every part of this filter."""
        labels = [f"{name}={value}" for name, value in self.labels]
        return "\n".join((self.store, self.subject, str(self.state), self.expiring_before, *labels))

    def takes(self, secret: views_pb2.Secret) -> bool:
        """Whether `secret` is asked for."""
        if not self._is_in_state(secret):
            return False
        if self.store and not secret.uri.startswith(f"{self.store}://"):
            return False
        if self.subject and secret.subject != self.subject:
            return False
        if self.expiring_before and not "" < secret.expires_on < self.expiring_before:
            return False
        return has_labels(secret, self.labels)

    def _is_in_state(self, secret: views_pb2.Secret) -> bool:
        if secret.deleted != (self.state == views_pb2.SECRET_STATE_DELETED):
            return False
        if self.state == views_pb2.SECRET_STATE_DRIFTED:
            return secret.drifted
        return self.state != views_pb2.SECRET_STATE_OUT_OF_SYNC or secret.verified in _OUT_OF_SYNC


async def secrets_page(
    log: EventLog, visible: VisibleScope, message: queries_pb2.ListSecretsRequest
) -> tuple[list[views_pb2.Secret], str]:
    """Return the secrets of the page that `message` asks for, and the next page's token, "" after the last.

    Raises:
        UsageError: a bad filter, or a token that is not one of this list's.
    """
    wanted, size = Filter.parse(message), page_size(message.page_size)
    scope = f"secrets.1\n{message.prefix}\n{wanted.scope}"
    after = read_token(scope, message.page_token)
    secrets: list[views_pb2.Secret] = []
    for _ in range(LOOKED_AT // _STEP):
        found = await page(log, SECRETS, visible, after=after, limit=_STEP)
        for _key, body in found:
            secret = views_pb2.Secret.FromString(body)
            if not wanted.takes(secret):
                continue
            if len(secrets) == size:
                return secrets, make_token(scope, secrets[-1].uri)
            secrets.append(secret)
        if len(found) < _STEP:
            return secrets, ""
        after = found[-1][0]
    return secrets, make_token(scope, after)
