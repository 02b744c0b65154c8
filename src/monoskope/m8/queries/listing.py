"""Listing secrets: filters and pages."""

from __future__ import annotations

from dataclasses import dataclass

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.m8.log.documents import Where
from monoskope.m8.queries.paging import make_token, page_size, read_token
from monoskope.m8.queries.visible import VisibleScope, page
from monoskope.m8.readmodels.secrets import SECRETS
from monoskope.m8.service.app import App
from monoskope.protocol.notes import Labels, check_day, check_labels, labels_of
from monoskope.uri import check_store_name


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

    @property
    def where(self) -> Where:
        """The same, as the log is asked."""
        return Where(
            deleted=self.state == views_pb2.SECRET_STATE_DELETED,
            subject=self.subject,
            expiring_before=self.expiring_before,
            drifted=self.state == views_pb2.SECRET_STATE_DRIFTED,
            out_of_sync=self.state == views_pb2.SECRET_STATE_OUT_OF_SYNC,
            labels=tuple(f"{name}={value}" for name, value in self.labels),
        )


async def secrets_page(
    app: App, visible: VisibleScope, message: queries_pb2.ListSecretsRequest
) -> tuple[list[views_pb2.Secret], str]:
    """Return the secrets of the page that `message` asks for, and the next page's token, "" after the last.

    Raises:
        UsageError: a bad filter, or a token that is not one of this list's.
    """
    wanted, size = Filter.parse(message), page_size(message.page_size)
    scope = f"secrets.1\n{message.prefix}\n{wanted.scope}"
    after = read_token(scope, message.page_token)
    found = await page(app.log, SECRETS, visible.within(wanted.store), wanted.where, after=after, limit=size + 1)
    secrets = await app.documents.secrets(found[:size])
    return secrets, make_token(scope, secrets[-1].uri) if len(found) > size else ""
